"""Predictions for annotated videos, read from results files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.postprocess.baseline import subtract_baseline
from autrt.postprocess.smooth import median_interval_s
from autrt.results.find import find_results
from autrt.results.header import Header
from autrt.results.reader import Results, open_results
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape
from autrt.types import F32, I64, Bool
from autrt_train.annotations.folds import video_groups
from autrt_train.evaluate.ground_truth import GroundTruth, MatchedLabels
from autrt_train.evaluate.labelled_predictions import LabelledPredictions, TrackSeries, concatenate
from autrt_train.types import MISSING, DataError

SAME: tuple[str, ...] = (
    "au_names", "model_digest", "network_digests", "thresholds", "smoothing_windows", "smoothing_domain",
    "baseline",
)  # fmt: skip
"""Header fields that must be equal in all files of one evaluation."""


@dataclass(frozen=True, slots=True)
class LabelledResults:
    """A results file and the labels of its video."""

    file: Path
    ground_truth: GroundTruth
    name: str
    """The video's name in the annotations."""
    persons: tuple[tuple[int, str], ...]
    """Number of the ground truth and name of each person; names are only comparable within one ground truth."""


def read_predictions(
    folder: Path, ground_truths: Sequence[GroundTruth]
) -> tuple[LabelledPredictions, list[str]]:
    """Read the faces of results files with their labels.

    Args:
        folder: a results folder of `autrt infer`, or one file.
        ground_truths: labels; a video is matched with the first that has it.

    Returns:
        Whole tracks that have any label, and notes about what could not be matched.

    Raises:
        DataError: no video or no AU has labels, two files are of one labelled video, or files are of several
            models.
        ResultsError: a file is damaged.
    """
    videos, unlabelled = labelled_results(folder, ground_truths)
    known = {video.name for video in videos}
    waiting = [name for ground_truth in ground_truths for name in ground_truth.videos if name not in known]
    notes = [
        *(note for ground_truth in ground_truths for note in ground_truth.notes),
        *_note(unlabelled, "results files without labels, passed over"),
        *_note(waiting, "labelled videos without results, passed over"),
    ]
    if not videos:
        raise DataError(
            f"no results file in {escape(str(folder))} is of a labelled video: expected names such as "
            f"{', '.join(waiting[:3]) or 'none'}, found {', '.join(unlabelled[:3])}"
        )
    header = _one_model(videos)
    names = _common(header.au_names, ground_truths)
    group = person_groups(videos)
    parts: list[LabelledPredictions] = []
    not_found = 0
    for number, video in enumerate(videos):
        with open_results(video.file) as results:
            matched = video.ground_truth.videos[video.name].match(results)
            not_found += matched.not_found
            kept = _whole_tracks(results, matched)
            parts.append(_read(results, matched, kept, videos, number, group, names))
    if header.baseline != "none":
        notes.append(
            f"smoothed after each person's neutral face ({header.baseline}) was subtracted; raw is without"
        )
    if header.temporal_digest:
        notes.append("smoothed by the model's temporal network, not by windows")
    if not_found:
        notes.append(f"{not_found} labelled faces were not found, and are not counted")
    return concatenate(parts), notes


def labelled_results(
    folder: Path, ground_truths: Sequence[GroundTruth]
) -> tuple[list[LabelledResults], list[str]]:
    """Return the files whose videos have labels, sorted by name, and the names of the others.

    Raises:
        DataError: two files are of one labelled video.
    """
    videos: dict[str, LabelledResults] = {}
    unlabelled: list[str] = []
    for file, relative in find_results([folder]):
        name = relative.as_posix().removesuffix(SUFFIX)
        found = next(
            (
                (i, ground_truth, n)
                for i, ground_truth in enumerate(ground_truths)
                if (n := ground_truth.find(name)) is not None
            ),
            None,
        )
        if found is None:
            unlabelled.append(name)
            continue
        number, ground_truth, known = found
        if known in videos:
            raise DataError(
                f"{escape(str(videos[known].file))} and {escape(str(file))} are both of the labelled video "
                f"{known!r}: evaluate them apart"
            )
        persons = tuple((number, who) for who in ground_truth.videos[known].persons)
        videos[known] = LabelledResults(file, ground_truth, known, persons)
    return list(videos.values()), unlabelled


def _one_model(videos: Sequence[LabelledResults]) -> Header:
    first: Header | None = None
    for video in videos:
        with open_results(video.file) as results:
            header = results.header
        if first is None:
            first = header
        for name in SAME:
            if getattr(header, name) != getattr(first, name):
                raise DataError(
                    f"results of two models: {escape(str(videos[0].file))} and {escape(str(video.file))} differ in "
                    f"{name}: evaluate them apart"
                )
    assert first is not None
    return first


def _common(au_names: Sequence[str], ground_truths: Sequence[GroundTruth]) -> tuple[str, ...]:
    labelled = {name for ground_truth in ground_truths for name in ground_truth.au_names}
    common = tuple(name for name in au_names if name in labelled)
    if not common:
        raise DataError(
            f"the labels have none of the model's AUs: expected some of {', '.join(au_names)}, "
            f"found {', '.join(sorted(labelled))}"
        )
    return common


def person_groups(videos: Sequence[LabelledResults]) -> I64:
    """Return (V,) int64 the group of each video: equal for videos with a person in common."""
    named = [(number, who) for number, video in enumerate(videos) for who in video.persons]
    row = {who: i for i, who in enumerate(dict.fromkeys(who for _, who in named))}
    pairs = np.array([(number, row[who]) for number, who in named], np.int32).reshape(-1, 2)
    return video_groups(len(videos), len(row), pairs)


def _whole_tracks(results: Results, matched: MatchedLabels) -> Bool:
    """Return (F,) bool: True for faces of tracks with any label."""
    track = results.faces["track"]
    labelled = (matched.labels != MISSING).any(axis=1)
    return np.isin(track, np.unique(track[labelled]))


def _read(
    results: Results,
    matched: MatchedLabels,
    kept: Bool,
    videos: Sequence[LabelledResults],
    number: int,
    group: I64,
    names: tuple[str, ...],
) -> LabelledPredictions:
    header, faces = results.header, results.faces
    at = [header.au_names.index(name) for name in names]
    row, track, logit = faces["frame"][kept], faces["track"][kept], faces["logit"][kept]
    n = len(row)
    series = TrackSeries(
        logit=_smoother_input(results, logit, track)[:, at],
        smoothed=faces["smoothed"][kept][:, at],
        track=track,
        time_s=results.frames["time_s"][row],
        interval_s=np.full(n, median_interval_s(results.frames["time_s"])),
    )
    return LabelledPredictions(
        name=header.model_name,
        au_names=names,
        labels=_columns(matched, videos[number].ground_truth.au_names, names)[kept],
        logit=logit[:, at],
        video=np.full(n, number, np.int32),
        video_names=tuple(video.name for video in videos),
        group=np.full(n, group[number], np.int64),
        frame=results.frames["index"][row] + 1,
        face=matched.face[kept],
        thresholds=np.array(header.thresholds, np.float32)[at],
        windows=np.array(header.smoothing_windows, np.int32)[at],
        domain=header.smoothing_domain,
        baseline=header.baseline,
        network_digests=header.network_digests,
        temporal_digest=header.temporal_digest,
        series=series,
    )


def _smoother_input(results: Results, logit: F32, track: np.ndarray) -> F32:
    """Return the logits that were smoothed: with the baseline subtracted if the results have one."""
    if results.header.baseline == "none":
        return logit
    ids = results.tracks["id"]
    baselines = np.full((int(ids.max(initial=-1)) + 1, logit.shape[1]), np.nan, np.float32)
    baselines[ids] = results.tracks["baseline"]
    return subtract_baseline(logit, baselines, track)


def _columns(matched: MatchedLabels, have: Sequence[str], names: Sequence[str]) -> np.ndarray:
    out = np.full((len(matched.labels), len(names)), MISSING, np.int8)
    for column, name in enumerate(names):
        if name in have:
            out[:, column] = matched.labels[:, have.index(name)]
    return out


def _note(names: Sequence[str], what: str) -> list[str]:
    shown = ", ".join(escape(name) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{len(names)} {what}: {shown}{more}"] if names else []
