"""Submission files: one text per video (2022), or one file for all videos (2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.errors import ResultsError, UsageError
from autrt.results.challenge.decisions import FaceFrames, FrameDecisions
from autrt.results.challenge.frame_list import LOCATION, FrameList, WantedFrames, without_suffix
from autrt.results.challenge.match_videos import match_results, results_by_name
from autrt.results.reader import open_results
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import escape

Challenge = Literal["abaw-2022", "abaw-2024"]

TEXT_SUFFIX: Final = ".txt"
SINGLE_FILE: Final = "predictions.txt"
"""Name of the single file of 2024."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Contents of the submission's files, checked and not yet written."""

    texts: dict[str, str]
    """File name → content."""
    notes: tuple[str, ...]
    """One line for each video in which frames were filled in or may be misnumbered."""


def make_submission(
    challenge: Challenge, found: Sequence[tuple[Path, Path]], frames: FrameList | None
) -> Submission:
    """Make a submission from the decisions for each frame's main face, and check it.

    Args:
        challenge: its file format.
        found: results files and their paths relative to the searched folder (`find_results`).
        frames: the frames or videos to include; None: all frames of all results.

    Raises:
        UsageError: a video has no results, or the list does not suit the format.
        ResultsError: a results file is damaged.
    """
    files = results_by_name(found) if frames is None else match_results(frames.videos, found)
    videos = list(files)
    wanted, decided, notes = list[WantedFrames](), list[FrameDecisions](), list[str]()
    start = 0
    for i, video in enumerate(videos):
        with open_results(files[video]) as results:
            seen = FaceFrames.from_results(results)
        asked = frames.frames[i] if frames is not None and frames.frames is not None else None
        mine = asked or _all_frames(video, seen.last, start)
        start += len(mine.number)
        wanted.append(mine)
        decided.append(FrameDecisions.for_frames(seen, mine.number))
        notes += _notes(seen, mine, decided[-1])
    make = _texts_2022 if challenge == "abaw-2022" else _text_2024
    return Submission(make(wanted, decided), tuple(notes))


def write_submission(submission: Submission, out: Path) -> None:
    """Write a submission; each file appears whole or not at all.

    Raises:
        UsageError: the folder holds text files that are not part of this submission.
        DiskFullError: the disk is full.
        ResultsError: the folder cannot be made or written.
    """
    strange = sorted(path.name for path in out.glob(f"*{TEXT_SUFFIX}") if path.name not in submission.texts)
    if strange:
        raise UsageError(
            f"--out {escape(str(out))}: expected nothing but this submission's texts, found "
            f"{escape(strange[0])}{' and others' if len(strange) > 1 else ''}: take another folder"
        )
    for name, text in submission.texts.items():
        with replacing(out / name) as part:
            part.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")


def _all_frames(video: str, last: int, start: int) -> WantedFrames:
    """Return all frames of a video, for rows from `start` on."""
    number = np.arange(1, last + 1, dtype=np.int64)
    folder = without_suffix(video)
    return WantedFrames(
        video=video,
        number=number,
        location=tuple(f"{folder}/{n:05d}.jpg" for n in number.tolist()),
        place=start + number - 1,
    )


def _notes(seen: FaceFrames, wanted: WantedFrames, decided: FrameDecisions) -> list[str]:
    facts: list[str] = []
    if not len(seen.number):
        facts.append("no face in the results: no AU active")
    elif decided.before_first:
        facts.append(f"{decided.before_first} before the first face: no AU active")
    if decided.filled:
        beyond = (
            f" ({decided.after_last} of them behind the last frame in the results)"
            if decided.after_last
            else ""
        )
        facts.append(
            f"{decided.filled} without a face{beyond} take the decisions of the last one with a face"
        )
    if seen.losses:
        facts.append(
            f"the video is damaged in {seen.losses} places: frames behind the first may be numbered too low"
        )
    return [f"{escape(wanted.video)}: {len(wanted.number)} frames; {'; '.join(facts)}"] if facts else []


def _texts_2022(wanted: Sequence[WantedFrames], decided: Sequence[FrameDecisions]) -> dict[str, str]:
    """Return one text per video: the AUs' names, then a row for each frame from the first on."""
    out: dict[str, str] = {}
    for video, decisions in zip(wanted, decided, strict=True):
        n = len(video.number)
        if not np.array_equal(video.number, np.arange(1, n + 1)):
            raise UsageError(
                f"the text of {escape(video.video)!r} has a row for each frame from the first on: expected its "
                f"frames 1 to {n} in order in the list, found others; use --format abaw-2024 for a choice of frames"
            )
        name = without_suffix(PurePosixPath(video.video).name) + TEXT_SUFFIX
        if name in out:
            raise UsageError(f"two videos of the list would both become {escape(name)}")
        rows = _cells(decisions)
        out[name] = _checked("\n".join([",".join(ABAW_AUS), *rows]) + "\n", ABAW_AUS, n, None)
    return out


def _text_2024(wanted: Sequence[WantedFrames], decided: Sequence[FrameDecisions]) -> dict[str, str]:
    """Return one text for all videos: a row of location and decisions for each frame, in the list's order."""
    n = sum(len(video.number) for video in wanted)
    rows, locations = [""] * n, [""] * n
    for video, decisions in zip(wanted, decided, strict=True):
        for place, location, cells in zip(
            video.place.tolist(), video.location, _cells(decisions), strict=True
        ):
            rows[place], locations[place] = f"{location},{cells}", location
    header = (LOCATION, *ABAW_AUS)
    return {SINGLE_FILE: _checked("\n".join([",".join(header), *rows]) + "\n", header, n, locations)}


def _cells(decided: FrameDecisions) -> list[str]:
    return [",".join(map(str, row)) for row in decided.active.tolist()]


def _checked(text: str, header: Sequence[str], n: int, locations: Sequence[str] | None) -> str:
    """Return `text` after checking its header, number and order of rows, and that decisions are 0 or 1."""
    first, *lines = text.removesuffix("\n").split("\n")
    rows = [line.rsplit(",", len(ABAW_AUS)) for line in lines]
    fixed = len(header) - len(ABAW_AUS)
    good = (
        first == ",".join(header)
        and len(rows) == n
        and all(len(row) == len(header) and {"0", "1"}.issuperset(row[fixed:]) for row in rows)
        and (locations is None or [row[0] for row in rows] == list(locations))
    )
    if not good:
        raise ResultsError("the challenge's file does not hold what it should; nothing was written")
    return text
