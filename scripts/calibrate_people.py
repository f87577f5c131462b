"""Set a model's thresholds on coded people who are in no training: `python scripts/calibrate_people.py MODEL …`.

    calibrate_people.py runs/a/model --held-out runs/a/held_out.npz --coded dev.csv --pictures dev --work runs/dev

--coded, --pictures and --work go together and may be given several times. Of the people in the tables a fifth, by a
hash of their names, decides nothing and is judged apart. Of the others, and of the training people (whom the
layers behind `held_out.npz` of `autrt train finetune` had not seen), random halves are drawn; an AU's threshold is
the mean of those with the best F1 among all at which it is predicted about as often as it is coded (`PREVALENCE`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from autrt.model.folder import load_model
from autrt.model.load import load_network
from autrt.model.schema import MODEL_FILE, ModelFile, read_json, write_json
from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, Bool
from autrt_train.finetune.labelled_crops import make_labelled_crops
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import open_loader
from autrt_train.recipe import FinetuneSettings
from autrt_train.stop_request import StopRequest
from autrt_train.types import I8, Index

HALVES: Final = 50
PREVALENCE: Final = 1.25
BINS: Final = 10
BATCH: Final = 128
CODERS: Final = (
    "coded for FACS by two vision-language models that saw neither each other's codes nor a detector's answer (no "
    "certified human coder)"
)
LEAST: Final = 5
"""Positives of a half that a threshold is chosen on."""

Texts = NDArray[np.str_]


def held_back(person: str) -> bool:
    """Whether a person is of the fifth that decides nothing."""
    return int(hashlib.sha256(f"held-back {person}".encode()).hexdigest(), 16) % 5 == 0


def coded_faces(
    tables: list[Path], pictures: list[Path], works: list[Path], model: str
) -> tuple[F32, I8, Texts]:
    """What a model says of coded faces, single frames: logits (N, A), labels (N, A), people (N,)."""
    found = [told(model, *paths) for paths in zip(tables, pictures, works, strict=True)]
    logits, labels, people = zip(*found, strict=True)
    return np.concatenate(logits), np.concatenate(labels), np.concatenate(people)


def told(model: str, table: Path, pictures: Path, work: Path) -> tuple[F32, I8, Texts]:
    """The same of one table."""
    opened = load_model(model)
    settings = FinetuneSettings(data=(table,), videos=(pictures,), every_s=1e-3)
    index = make_labelled_crops(settings, opened.au_names, work, "none", StopRequest(), print).index
    network = load_network(opened.members[0]).eval()
    return answers(network, index), index.labels, people_of(index)


def people_of(index: Index) -> Texts:
    """(N,) names; where nobody is named, the video's."""
    pairs = zip(index.person.tolist(), index.video.tolist(), strict=True)
    return np.array([index.person_names[p] if p >= 0 else index.video_names[v] for p, v in pairs])


@torch.inference_mode()
def answers(network: torch.nn.Module, index: Index) -> F32:
    """(N, A) logits of pictures as they are."""
    loader, parts = open_loader("opencv", index, threads=1), list[F32]()
    for batch in loader.load(unaugmented_draws(index, np.arange(len(index), dtype=np.int64), BATCH)):
        x = (torch.as_tensor(batch.pixels).permute(0, 3, 1, 2).float() - 127.5) / 127.5
        parts.append(network(x.contiguous())["logits"].numpy())
    loader.close()
    return np.concatenate(parts)


def thresholds(chance: F32, labels: I8, people: Texts, own: F32) -> F32:
    """(A,) probabilities from which each AU is active; `own` where too few show it."""
    rng, names = np.random.default_rng(0), np.unique(people)
    found = np.full((HALVES, len(own)), np.nan)
    for i in range(HALVES):
        half = np.isin(people, rng.permutation(names)[: len(names) // 2])
        for au in range(len(own)):
            known = half & (labels[:, au] >= 0)
            if (labels[known, au] == 1).sum() >= LEAST:
                found[i, au] = best(chance[known, au], labels[known, au] == 1)
    enough = ~np.isnan(found).all(0)
    out = own.astype(np.float64).copy()
    out[enough] = np.nanmean(found[:, enough], axis=0)
    return out.astype(np.float32)


def best(chance: F32, shown: Bool) -> float:
    """The threshold of the best F1 of one AU, predicted about as often as it is coded."""
    order = np.argsort(-chance)
    hits, predicted = np.cumsum(shown[order]), np.arange(1, len(chance) + 1)
    f1 = 2 * hits / (predicted + shown.sum())
    fits = (predicted <= PREVALENCE * shown.sum()) & (predicted * PREVALENCE >= shown.sum())
    at = int(np.argmax(np.where(fits, f1, -1)))
    after = chance[order[min(at + 1, len(order) - 1)]]
    return float(chance[order[at]] + after) / 2


def calibration_error(chance: F32, shown: Bool) -> float:
    """Expected calibration error: the mean distance of probability and share, over bins of equal counts."""
    parts = np.array_split(np.argsort(chance), BINS)
    gaps = [abs(float(chance[part].mean()) - float(shown[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(chance)


def judge(chance: F32, labels: I8, limits: F32, au_names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """AU → AUC, F1, coded and predicted share, calibration error and counts."""
    out: dict[str, dict[str, float]] = {}
    for i, au in enumerate(au_names):
        known = labels[:, i] >= 0
        if not known.any():
            continue
        shown, active = labels[known, i] == 1, chance[known, i] >= limits[i]
        facts: dict[str, Any] = {"positives": int(shown.sum()), "negatives": int((~shown).sum())}
        if shown.any() and not shown.all():
            facts["auc"] = float(roc_auc_score(shown, chance[known, i]))
        facts["f1_binary"] = float(2 * (shown & active).sum() / max(1, shown.sum() + active.sum()))
        facts["coded"], facts["predicted"] = float(shown.mean()), float(active.mean())
        facts["ece"] = calibration_error(chance[known, i], shown)
        out[au] = facts
    return out


def figures(facts: dict[str, dict[str, float]], count: str) -> dict[str, Any]:
    """As scripts/grade.py reads them; AUs that hardly anybody shows are left out."""
    judged = {au: some for au, some in facts.items() if min(some["positives"], some["negatives"]) >= LEAST}
    return {
        "data_set": f"{count} in no training, {CODERS}; thresholds were chosen on four fifths of these people, "
        "and settings with them in view; single frames",
        "short": f"{count.partition(' ')[0]} faces of others",
        **{
            name: {au: round(some[name], 3) for au, some in judged.items()}
            for name in ("auc", "f1_binary", "positives", "negatives")
        },
    }


def table(facts: dict[str, dict[str, float]]) -> str:
    """For the terminal."""
    names = ("positives", "negatives", "auc", "f1_binary", "coded", "predicted", "ece")
    lines = ["     " + " ".join(f"{name:>9}" for name in names)]
    for au, some in facts.items():
        cells = [f"{some.get(name, float('nan')):9.{0 if name.endswith('tives') else 3}f}" for name in names]
        lines.append(f"{au:5}" + " ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--held-out", type=Path, help="without it nothing is set")
    parser.add_argument("--coded", type=Path, action="append", required=True)
    parser.add_argument("--pictures", type=Path, action="append", required=True)
    parser.add_argument(
        "--work", type=Path, action="append", required=True, help="crops; kept for the next run"
    )
    parser.add_argument("--figures", type=Path, help="file for scripts/grade.py")
    given = parser.parse_args()
    model = load_model(given.model)
    logits, labels, people = coded_faces(given.coded, given.pictures, given.work, given.model)
    back = np.array([held_back(str(person)) for person in people])
    if given.held_out is not None:
        limits = chosen(
            given.held_out, sigmoid(logits[~back]), labels[~back], people[~back], model.thresholds
        )
        file = read_json(model.path / MODEL_FILE, ModelFile)
        write_json(model.path / MODEL_FILE, ModelFile, **file.model_dump() | {"thresholds": limits.tolist()})
    limits = load_model(given.model).thresholds
    for name, rows in (("held back", back), ("all", np.ones_like(back))):
        facts = judge(sigmoid(logits[rows]), labels[rows], limits, model.au_names)
        count = f"{rows.sum()} faces of {len(np.unique(people[rows]))} people"
        print(f"{name}: {count}\n{table(facts)}")
    if given.figures is not None:
        given.figures.write_text(json.dumps(figures(facts, count), indent=1) + "\n")


def chosen(held_out: Path, chance: F32, labels: I8, people: Texts, own: F32) -> F32:
    """Thresholds from training people who were left out, and from people who are in no training."""
    more = np.load(held_out)
    names = [person or video for person, video in zip(more["person"], more["video"], strict=True)]
    chance = np.concatenate([chance, sigmoid(more["logit"])])
    labels = np.concatenate([labels, more["labels"]])
    limits = thresholds(chance, labels, np.concatenate([people, names]), own)
    return limits.astype(np.float64).round(4).astype(np.float32)


if __name__ == "__main__":
    main()
