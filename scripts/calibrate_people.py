"""Set a model's thresholds on coded people who are in no training: `python scripts/calibrate_people.py MODEL …`.

    calibrate_people.py runs/a/model --held-out runs/a/held_out.npz --coded dev.csv --pictures dev --work runs/dev

--coded, --pictures and --work go together and may be given several times. Thresholds are chosen on these people
together with the training people of `held_out.npz`, which `autrt train finetune` writes and whose logits are from
layers that had not seen them; of an ensemble, of each member in their order. The figures of both are nested: each
fifth of the people is judged by thresholds that were chosen without it. With no --held-out the model's own
thresholds stay and are judged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from model_description import change_description
from numpy.typing import NDArray

from autrt.console.text_table import aligned
from autrt.model.folder import Model, load_model
from autrt.model.load import load_network
from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, I64, Bool
from autrt_train.annotations.folds import assign_parts
from autrt_train.evaluate.bootstrap import Resampling
from autrt_train.evaluate.calibrate import MIN_COUNT
from autrt_train.evaluate.evaluation_table import format_interval, format_score
from autrt_train.evaluate.scores import Scores
from autrt_train.finetune.finetune_report import AUC, ECE, F1, RESAMPLINGS, score_predictions
from autrt_train.finetune.labelled_crops import make_labelled_crops
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import open_loader
from autrt_train.recipe import FinetuneSettings
from autrt_train.stop_request import StopRequest
from autrt_train.thresholds import thresholds_over_people
from autrt_train.types import I8, MISSING, Index

PREVALENCE_RATIO: Final = 1.25
"""How many times more or less often than it is coded an AU may be predicted where its threshold is chosen."""
FOLDS: Final = 5
BATCH: Final = 128
LEAST: Final = 5
"""Positives and negatives of an AU that is judged."""
UNSURE: Final = ("AU23",)
"""AUs whose codes are too unsure to judge by."""

Texts = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of a set of coded faces, with places for their numbers of `faces` and `people`."""

    name: str
    data_set: str
    short: str


DEV: Final = Words(
    name="dev",
    data_set="{faces} faces of {people} people in no training, coded for FACS by two vision-language models that "
    "saw neither each other's codes nor a detector's answer (no certified human coder); thresholds for each fifth "
    "of these people were chosen without it, settings with them in view; single frames",
    short="{faces} faces of others",
)
LEFT_OUT: Final = Words(
    name="left_out",
    data_set="{faces} faces of {people} people, coded for FACS by one vision-language model that saw no detector's "
    "answer (no certified human coder); each by a layer and by thresholds that had not seen the person, single "
    "frames",
    short="{faces} held-out VLM-coded faces",
)


@dataclass(frozen=True, kw_only=True)
class Faces:
    """What a model says of N coded faces, and what their coders say. A AUs."""

    logits: F32
    """(N, A) float32, of single frames."""
    labels: I8
    """(N, A) int8."""
    people: Texts
    """(N,) names."""

    def __add__(self, other: Faces) -> Faces:
        return Faces(
            logits=np.concatenate([self.logits, other.logits]),
            labels=np.concatenate([self.labels, other.labels]),
            people=np.concatenate([self.people, other.people]),
        )

    def take(self, rows: Bool) -> Faces:
        """Return some faces."""
        return Faces(logits=self.logits[rows], labels=self.labels[rows], people=self.people[rows])

    @property
    def group(self) -> I64:
        """(N,) int64 number of each person."""
        return np.unique(self.people, return_inverse=True)[1].astype(np.int64).reshape(-1)

    def thresholds(self, own: F32, seed: int) -> F32:
        """Return (A,) probabilities from which each AU is active; `own` where too few faces are known."""
        counts = np.stack([(self.labels == value).sum(axis=0) for value in (0, 1)]).min(axis=0)
        found = thresholds_over_people(sigmoid(self.logits), self.labels, self.group, seed, PREVALENCE_RATIO)
        return np.where((counts >= MIN_COUNT) & ~np.isnan(found), found, own).round(4).astype(np.float32)


def read_faces(model: Model, table: Path, pictures: Path, work: Path) -> Faces:
    """Find and crop the faces of a table of coded pictures or frames, and judge them."""
    settings = FinetuneSettings(data=(table,), videos=(pictures,), every_s=1e-3)
    index = make_labelled_crops(settings, model.au_names, work, "none", StopRequest(), print).index
    logits = [predict(load_network(member).eval(), index) for member in model.members]
    return Faces(logits=joined(logits, model.weights), labels=index.labels, people=people_of(index))


def read_held_out(paths: list[Path], weights: F32) -> Faces:
    """Read the training people, as each member's layers judge them that had not seen them."""
    files = [np.load(path) for path in paths]
    first = files[0]
    for name in ("video", "person", "frame", "labels"):
        assert all(np.array_equal(file[name], first[name]) for file in files), "other faces, or another order"
    names = [person or video for person, video in zip(first["person"], first["video"], strict=True)]
    logits = joined([file["logit"] for file in files], weights)
    return Faces(logits=logits, labels=first["labels"], people=np.array(names))


def joined(logits: list[F32], weights: F32) -> F32:
    """Return (N, A) the mean of the members' logits, as `weights` (M, A) have it."""
    return np.einsum("mna,ma->na", np.stack(logits), weights / weights.sum(axis=0)).astype(np.float32)


def people_of(index: Index) -> Texts:
    """Return (N,) names; where nobody is named, the video's."""
    pairs = zip(index.person.tolist(), index.video.tolist(), strict=True)
    return np.array([index.person_names[p] if p >= 0 else index.video_names[v] for p, v in pairs])


@torch.inference_mode()
def predict(network: torch.nn.Module, index: Index) -> F32:
    """Return (N, A) logits of pictures as they are."""
    loader, parts = open_loader("opencv", index, threads=1), list[F32]()
    for batch in loader.load(unaugmented_draws(index, np.arange(len(index), dtype=np.int64), BATCH)):
        x = (torch.as_tensor(batch.pixels).permute(0, 3, 1, 2).float() - 127.5) / 127.5
        parts.append(network(x.contiguous())["logits"].numpy())
    loader.close()
    return np.concatenate(parts)


def nested_decisions(faces: Faces, more: Faces, own: F32, seed: int) -> Bool:
    """Return (N, A) bool decisions, for each fifth of the people by thresholds chosen on the others and `more`."""
    fold, active = folds_of(faces, seed), np.zeros(faces.labels.shape, bool)
    for k in range(FOLDS):
        limits = (faces.take(fold != k) + more).thresholds(own, seed)
        active[fold == k] = sigmoid(faces.logits[fold == k]) >= limits
    return active


def folds_of(faces: Faces, seed: int) -> NDArray[np.int32]:
    """Return (N,) int32 the fifth of each face's person, balanced in faces and in every AU's positives."""
    marks = [np.ones(len(faces.labels), bool), *(faces.labels == 1).T]
    counts = np.stack([np.bincount(faces.group, mark) for mark in marks], axis=1)
    weights = counts / np.maximum(counts.sum(axis=0), 1)
    return assign_parts(weights, np.full(FOLDS, 1 / FOLDS), seed)[faces.group]


def shares(active: Bool, labels: I8) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of faces, (A,) each, for which an AU is coded and predicted."""
    known = labels != MISSING
    count = np.maximum(known.sum(axis=0), 1)
    return (labels == 1).sum(axis=0) / count, (active & known).sum(axis=0) / count


def report(faces: Faces, active: Bool, scores: Scores, au_names: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of the table for the terminal."""
    coded, predicted = shares(active, faces.labels)
    rows = [["", "positive", "people", "AUC", "F1", "coded", "predicted", "ratio", "ECE"]]
    for i, au in enumerate(au_names):
        positive = faces.labels[:, i] == 1
        numbers = [str(positive.sum()), str(len(np.unique(faces.group[positive])))]
        numbers += [format_interval(scores[metric], i) for metric in (AUC, F1)]
        ratio = predicted[i] / coded[i] if coded[i] else np.nan
        rest = (coded[i], predicted[i], ratio, scores[ECE].value[i])
        rows.append([au, *numbers, *map(format_score, rest)])
    yield from aligned(rows, left=1)


def figures(faces: Faces, scores: Scores, au_names: tuple[str, ...], words: Words) -> dict[str, Any]:
    """Return what scripts/grade.py reads, but for AUs that hardly anybody shows or whose codes are unsure."""
    counts = {
        name: (faces.labels == value).sum(axis=0) for name, value in (("positives", 1), ("negatives", 0))
    }
    enough = np.stack(list(counts.values())).min(axis=0) >= LEAST
    judged = {i: au for i, au in enumerate(au_names) if enough[i] and au not in UNSURE}
    sizes = {"faces": len(faces.labels), "people": len(np.unique(faces.people))}
    return {
        "data_set": words.data_set.format(**sizes),
        "short": words.short.format(**sizes),
        **{
            name: {au: round(float(scores[name].value[i]), 3) for i, au in judged.items()}
            for name in (AUC, F1)
        },
        **{name: {au: int(count[i]) for i, au in judged.items()} for name, count in counts.items()},
    }


def judge(faces: Faces, active: Bool, seed: int) -> Scores:
    """Return scores of decisions, with intervals over people."""
    resampling = Resampling.draw(faces.group, RESAMPLINGS, seed)
    return score_predictions(faces.logits, active, faces.labels, resampling)


def calibrate(model: Model, faces: Faces, held_out: list[Path], folder: Path | None, seed: int) -> None:
    """Set thresholds, print the nested figures of both sets of people, and write them for scripts/grade.py."""
    more = read_held_out(held_out, model.weights)
    limits = (faces + more).thresholds(model.thresholds, seed)
    change_description(model.path, thresholds=limits.tolist())
    for words, some, others in ((LEFT_OUT, more, faces), (DEV, faces, more)):
        active = nested_decisions(some, others, model.thresholds, seed)
        scores = judge(some, active, seed)
        print(f"{words.name}: {len(some.labels)} faces")
        for line in report(some, active, scores, model.au_names):
            print(line)
        if folder is not None:
            content = figures(some, scores, model.au_names, words)
            (folder / f"{words.name}.json").write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--held-out", type=Path, action="append", help="without it nothing is set")
    parser.add_argument("--coded", type=Path, action="append", required=True)
    parser.add_argument("--pictures", type=Path, action="append", required=True)
    parser.add_argument(
        "--work", type=Path, action="append", required=True, help="crops; kept for the next run"
    )
    parser.add_argument(
        "--figures", type=Path, help="folder for dev.json and left_out.json, for scripts/grade.py"
    )
    parser.add_argument("--seed", type=int, default=0, help="of folds and halves of the people")
    given = parser.parse_args()
    model = load_model(given.model)
    faces, *others = (
        read_faces(model, *paths) for paths in zip(given.coded, given.pictures, given.work, strict=True)
    )
    for one in others:
        faces = faces + one
    if given.held_out is not None:
        calibrate(model, faces, given.held_out, given.figures, given.seed)
        return
    active = sigmoid(faces.logits) >= model.thresholds
    for line in report(faces, active, judge(faces, active, given.seed), model.au_names):
        print(line)


if __name__ == "__main__":
    main()
