"""Logits, features and labels of the faces in results files of labelled videos.

Letters: F faces, A AUs of the model, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.model.folder import Model
from autrt.postprocess.smooth import median_interval_s
from autrt.results.model_titles import short_digest
from autrt.results.reader import Results, open_results
from autrt.results.schema import FEATURES
from autrt.storage.escape import escape
from autrt.types import F32, F64, I32, ShapedRepr
from autrt_train.annotations.folds import assign_parts
from autrt_train.evaluate.ground_truth import read_ground_truth
from autrt_train.evaluate.read_predictions import LabelledResults, labelled_results, person_groups
from autrt_train.recipe import SequenceData
from autrt_train.types import I8, MISSING, DataError


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class VideoSequence(ShapedRepr):
    """The faces of those tracks of one video that have any label."""

    file: Path
    """The results file."""
    group: int
    """Equal for videos with a person in common."""
    logits: F32
    """(F, A) float32."""
    features: F32 | None
    """(F, D) float16, or None."""
    labels: I8
    """(F, A) int8; `MISSING` where unknown."""
    track: I32
    """(F,) int32."""
    time_s: F64
    """(F,) float64, strictly increasing within a track."""
    interval_s: float
    """The video's median frame interval."""


def read_sequences(
    data: SequenceData, model: Model, *, features: bool, log: Callable[[str], object]
) -> list[VideoSequence]:
    """Read the labelled tracks of results files; about 2·D + 4·A bytes a face are held.

    Args:
        data: results and labels.
        model: the model that computed the results.
        features: read features too.
        log: takes a line about what was passed over.

    Raises:
        DataError: labels are missing or invalid, no results are of a labelled video, or they are of another model
            or lack features.
        ResultsError: a file is damaged.
    """
    ground_truths = [read_ground_truth(spec) for spec in data.labels]
    videos: list[LabelledResults] = []
    unlabelled: list[str] = []
    for place in data.results:
        found, others = labelled_results(place, ground_truths)
        videos, unlabelled = [*videos, *found], [*unlabelled, *others]
    if not videos:
        raise DataError(
            f"expected results of labelled videos, found {len(unlabelled)} files of others: "
            f"{', '.join(map(escape, unlabelled[:3])) or 'none'}"
        )
    if unlabelled:
        log(f"{len(unlabelled)} results files are of no labelled video, and are passed over")
    groups = person_groups(videos).tolist()
    return [
        _read(video, model, group, features=features) for video, group in zip(videos, groups, strict=True)
    ]


def split_sequences(
    sequences: Sequence[VideoSequence], share: float, seed: int
) -> tuple[list[VideoSequence], list[VideoSequence]]:
    """Split videos into two parts of about 1 − `share` and `share` of the labels; nobody is in both.

    Raises:
        DataError: all videos show one person.
    """
    groups, number = np.unique([one.group for one in sequences], return_inverse=True)
    if len(groups) < 2:
        raise DataError(
            "expected labelled videos of at least two people, a part of whom validates, found one: add videos, or "
            "name temporal.validation"
        )
    counts = np.zeros((len(groups), 1 + sequences[0].labels.shape[1]))
    for one, group in zip(sequences, number.tolist(), strict=True):
        counts[group, 0] += (one.labels != MISSING).sum()
        counts[group, 1:] += (one.labels == 1).sum(axis=0)
    there = counts.sum(axis=0) > 0
    weights = counts[:, there] / counts.sum(axis=0)[there]
    part = assign_parts(weights, np.array([1 - share, share]), seed)[number].tolist()
    parts: tuple[list[VideoSequence], list[VideoSequence]] = ([], [])
    for one, side in zip(sequences, part, strict=True):
        parts[side].append(one)
    return parts


def _read(video: LabelledResults, model: Model, group: int, *, features: bool) -> VideoSequence:
    with open_results(video.file) as results:
        _require_of_model(results, model)
        matched = video.ground_truth.videos[video.name].match(results)
        track = results.faces["track"]
        kept = np.isin(track, np.unique(track[(matched.labels != MISSING).any(axis=1)]))
        labels = np.full((len(track), len(model.au_names)), MISSING, np.int8)
        for column, au in enumerate(model.au_names):
            if au in video.ground_truth.au_names:
                labels[:, column] = matched.labels[:, video.ground_truth.au_names.index(au)]
        times = results.frames["time_s"]
        return VideoSequence(
            file=video.file,
            group=group,
            logits=results.faces["logit"][kept],
            features=_features(results)[kept] if features else None,
            labels=labels[kept],
            track=track[kept],
            time_s=times[results.faces["frame"][kept]],
            interval_s=median_interval_s(times),
        )


def _require_of_model(results: Results, model: Model) -> None:
    if results.header.network_digests != model.network_digests:
        header = results.header
        wanted, found = (
            f"{name!r} ({short_digest(digest)})"
            for name, digest in ((model.name, model.digest), (header.model_name, header.model_digest))
        )
        raise DataError(
            f"{escape(str(results.path))}: expected results of {wanted}, found those of other networks, {found}: "
            "name that model (--model), or run `autrt infer` anew"
        )


def _features(results: Results) -> F32:
    if FEATURES.name not in results.faces:
        raise DataError(
            f"{escape(str(results.path))} holds no features: run `autrt infer --features`, or learn from logits "
            "alone (--set temporal.features=false)"
        )
    return results.faces[FEATURES.name]
