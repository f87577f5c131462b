"""Predictions of videos, from results files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.results.find import find_results
from autrt.results.header import Header
from autrt.results.names import escape
from autrt.results.reader import Results, open_results
from autrt.results.schema import SUFFIX
from autrt.smooth import median_interval_s, subtract_baseline
from autrt.types import F32, I64, Bool
from autrt_train.annotations.folds import video_groups
from autrt_train.evaluate.scored import Scored, Timed, concatenated
from autrt_train.evaluate.truth import Matched, Truth
from autrt_train.types import MISSING, DataError

SAME: tuple[str, ...] = (
    "au_names", "model_digest", "network_digests", "thresholds", "smoothing_windows", "smoothing_domain",
    "baseline",
)  # fmt: skip
"""What all files of one evaluation must agree in."""


@dataclass(frozen=True, slots=True)
class _Video:
    """A results file and the labels that it has."""

    file: Path
    truth: Truth
    name: str
    """As the annotations call it."""
    persons: tuple[tuple[int, str], ...]
    """With the number of the labels that name them: others may mean somebody else by that name."""


def read_scored(folder: Path, truths: Sequence[Truth]) -> tuple[Scored, list[str]]:
    """The faces of results files with their labels.

    Args:
        folder: a results folder of `autrt infer`, or one file.
        truths: labels; a video's are the first that have it.

    Returns:
        Whole tracks that have any label, and lines about what could not be brought together.

    Raises:
        DataError: no video or no AU has labels, two files are of one labelled video, or files are of several
            models.
        ResultsError: a file is damaged.
    """
    videos, unlabelled = _labelled(folder, truths)
    known = {video.name for video in videos}
    waiting = [name for truth in truths for name in truth.videos if name not in known]
    notes = [
        *(note for truth in truths for note in truth.notes),
        *_told(unlabelled, "results files without labels, passed over"),
        *_told(waiting, "labelled videos without results, passed over"),
    ]
    if not videos:
        raise DataError(
            f"no results file in {escape(str(folder))} is of a labelled video: expected names such as "
            f"{', '.join(waiting[:3]) or 'none'}, found {', '.join(unlabelled[:3])}"
        )
    header = _one_model(videos)
    names = _common(header.au_names, truths)
    group = _groups(videos)
    parts: list[Scored] = []
    not_found = 0
    for number, video in enumerate(videos):
        with open_results(video.file) as results:
            matched = video.truth.videos[video.name].match(results)
            not_found += matched.not_found
            kept = _whole_tracks(results, matched)
            parts.append(_scored(results, matched, kept, videos, number, group, names))
    if header.baseline != "none":
        notes.append(
            f"smoothed after each person's neutral face ({header.baseline}) was subtracted; raw is without"
        )
    if not_found:
        notes.append(f"{not_found} labelled faces were not found, and are not counted")
    return concatenated(parts), notes


def _labelled(folder: Path, truths: Sequence[Truth]) -> tuple[list[_Video], list[str]]:
    """Files whose videos have labels, in order of name, and the names of the others."""
    videos: dict[str, _Video] = {}
    unlabelled: list[str] = []
    for file, relative in find_results([folder]):
        name = relative.as_posix().removesuffix(SUFFIX)
        found = next(
            ((i, truth, n) for i, truth in enumerate(truths) if (n := truth.find(name)) is not None), None
        )
        if found is None:
            unlabelled.append(name)
            continue
        number, truth, known = found
        if known in videos:
            raise DataError(
                f"{escape(str(videos[known].file))} and {escape(str(file))} are both of the labelled video "
                f"{known!r}: evaluate them apart"
            )
        persons = tuple((number, who) for who in truth.videos[known].persons)
        videos[known] = _Video(file, truth, known, persons)
    return list(videos.values()), unlabelled


def _one_model(videos: Sequence[_Video]) -> Header:
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


def _common(au_names: Sequence[str], truths: Sequence[Truth]) -> tuple[str, ...]:
    labelled = {name for truth in truths for name in truth.au_names}
    common = tuple(name for name in au_names if name in labelled)
    if not common:
        raise DataError(
            f"the labels have none of the model's AUs: expected some of {', '.join(au_names)}, "
            f"found {', '.join(sorted(labelled))}"
        )
    return common


def _groups(videos: Sequence[_Video]) -> I64:
    """(V,) the group of each video."""
    named = [(number, who) for number, video in enumerate(videos) for who in video.persons]
    row = {who: i for i, who in enumerate(dict.fromkeys(who for _, who in named))}
    pairs = np.array([(number, row[who]) for number, who in named], np.int32).reshape(-1, 2)
    return video_groups(len(videos), len(row), pairs)


def _whole_tracks(results: Results, matched: Matched) -> Bool:
    """(F,) bool: faces of tracks with any label; the others are only in the way."""
    track = results.faces["track"]
    labelled = (matched.labels != MISSING).any(axis=1)
    return np.isin(track, np.unique(track[labelled]))


def _scored(
    results: Results,
    matched: Matched,
    kept: Bool,
    videos: Sequence[_Video],
    number: int,
    group: I64,
    names: tuple[str, ...],
) -> Scored:
    header, faces = results.header, results.faces
    at = [header.au_names.index(name) for name in names]
    row, track, logit = faces["frame"][kept], faces["track"][kept], faces["logit"][kept]
    n = len(row)
    timed = Timed(
        judged=_judged(results, logit, track)[:, at],
        smoothed=faces["smoothed"][kept][:, at],
        track=track,
        time_s=results.frames["time_s"][row],
        interval_s=np.full(n, median_interval_s(results.frames["time_s"])),
    )
    return Scored(
        name=header.model_name,
        au_names=names,
        labels=_columns(matched, videos[number].truth.au_names, names)[kept],
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
        timed=timed,
    )


def _judged(results: Results, logit: F32, track: np.ndarray) -> F32:
    """The logits that were smoothed."""
    if results.header.baseline == "none":
        return logit
    ids = results.tracks["id"]
    baselines = np.full((int(ids.max(initial=-1)) + 1, logit.shape[1]), np.nan, np.float32)
    baselines[ids] = results.tracks["baseline"]
    return subtract_baseline(logit, baselines, track)


def _columns(matched: Matched, have: Sequence[str], names: Sequence[str]) -> np.ndarray:
    out = np.full((len(matched.labels), len(names)), MISSING, np.int8)
    for column, name in enumerate(names):
        if name in have:
            out[:, column] = matched.labels[:, have.index(name)]
    return out


def _told(names: Sequence[str], what: str) -> list[str]:
    shown = ", ".join(escape(name) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{len(names)} {what}: {shown}{more}"] if names else []
