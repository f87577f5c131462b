"""Submission files: one text per video (2022), or one file for all videos (2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autrt.aus import ABAW_AUS
from autrt.errors import ResultsError, UsageError
from autrt.results.challenge.decisions import FaceFrames, FrameDecisions
from autrt.results.challenge.frame_counts import FrameCounts
from autrt.results.challenge.frame_list import LOCATION, FrameList, WantedFrames
from autrt.results.challenge.match_videos import match_results, results_by_name
from autrt.results.challenge.validation import (
    SINGLE_FILE,
    TEXT_SUFFIX,
    Challenge,
    expected_texts,
    read_submission,
    submission_faults,
    text_name,
)
from autrt.results.challenge.wanted_frames import all_frames, number_of_frames
from autrt.results.reader import open_results
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import escape


@dataclass(frozen=True, slots=True)
class Submission:
    """Contents of the submission's files, checked and not yet written."""

    texts: dict[str, str]
    """File name → content."""
    notes: tuple[str, ...]
    """One line for each video in which frames were filled in or may be misnumbered."""


def make_submission(
    challenge: Challenge,
    found: Sequence[tuple[Path, Path]],
    frames: FrameList | None,
    counts: FrameCounts | None = None,
) -> Submission:
    """Make a submission from the decisions for each frame's main face, and check it.

    Args:
        challenge: its file format.
        found: results files and their paths relative to the searched folder (`find_results`).
        frames: the frames or videos to include; None: all frames of all results.
        counts: numbers of frames of the videos; None: as results of whole videos have it.

    Raises:
        UsageError: a video has no results, its number of frames is not known, or the list does not suit the format.
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
        mine = asked or all_frames(video, number_of_frames(video, seen, counts), start)
        start += len(mine.number)
        wanted.append(mine)
        decided.append(FrameDecisions.for_frames(seen, mine.number))
        notes += _notes(seen, mine, decided[-1])
    expected = expected_texts(challenge, wanted)
    texts = (_texts_2022 if challenge == "abaw-2022" else _text_2024)(wanted, decided)
    if faults := submission_faults(texts, expected):
        raise ResultsError(
            f"the challenge's files do not hold what they should ({faults[0]}); nothing was written"
        )
    return Submission(texts, tuple(notes))


def validate_submission(
    challenge: Challenge, folder: Path, frames: FrameList | None, counts: FrameCounts | None
) -> tuple[int, list[str]]:
    """Read a submission's files and compare them with what the challenge asks for.

    Args:
        challenge: its file format.
        folder: of the submission.
        frames: the frames or videos that it must hold; None: all videos of `counts`.
        counts: numbers of frames of the videos; None: the list names frames.

    Returns:
        The number of rows that it must hold, and a line for each fault.

    Raises:
        UsageError: neither frames nor counts say how many rows there must be, or the folder holds no text.
    """
    texts = read_submission(folder)
    wanted = list(frames.frames) if frames is not None and frames.frames is not None else list[WantedFrames]()
    if not wanted:
        if counts is None:
            raise UsageError(
                "--validate needs to know the numbers of frames: expected --frames with a list of frames, or "
                "--frame-counts"
            )
        for video in counts.videos if frames is None else frames.videos:
            count = counts.of(video)
            if count is None:
                raise UsageError(f"--frame-counts: found no number of frames of {escape(video)}: add it")
            wanted.append(all_frames(video, count, sum(len(before.number) for before in wanted)))
    expected = expected_texts(challenge, wanted)
    return sum(form.rows for form in expected.values()), submission_faults(texts, expected)


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
    if decided.unasked:
        facts.append(
            f"{decided.unasked} frames of the results behind the last one that is asked for are left out"
        )
    if seen.losses:
        facts.append(
            f"the video is damaged in {seen.losses} places: frames behind the first may be numbered too low"
        )
    return [f"{escape(wanted.video)}: {len(wanted.number)} frames; {'; '.join(facts)}"] if facts else []


def _texts_2022(wanted: Sequence[WantedFrames], decided: Sequence[FrameDecisions]) -> dict[str, str]:
    """Return one text per video: the AUs' names, then a row for each frame from the first on."""
    return {
        text_name(video): "\n".join([",".join(ABAW_AUS), *_cells(decisions)]) + "\n"
        for video, decisions in zip(wanted, decided, strict=True)
    }


def _text_2024(wanted: Sequence[WantedFrames], decided: Sequence[FrameDecisions]) -> dict[str, str]:
    """Return one text for all videos: a row of location and decisions for each frame, in the list's order."""
    rows = [""] * sum(len(video.number) for video in wanted)
    for video, decisions in zip(wanted, decided, strict=True):
        for place, location, cells in zip(
            video.place.tolist(), video.location, _cells(decisions), strict=True
        ):
            rows[place] = f"{location},{cells}"
    return {SINGLE_FILE: "\n".join([",".join((LOCATION, *ABAW_AUS)), *rows]) + "\n"}


def _cells(decided: FrameDecisions) -> list[str]:
    return [",".join(map(str, row)) for row in decided.active.tolist()]
