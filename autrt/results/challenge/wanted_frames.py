"""The frames that each video's part of a submission must hold."""

from __future__ import annotations

import numpy as np

from autrt.errors import UsageError
from autrt.results.challenge.decisions import FaceFrames
from autrt.results.challenge.frame_counts import FrameCounts
from autrt.results.challenge.frame_list import WantedFrames, without_suffix
from autrt.storage.escape import escape


def all_frames(video: str, count: int, start: int) -> WantedFrames:
    """Return the frames 1 to `count` of a video, for rows from `start` on."""
    number = np.arange(1, count + 1, dtype=np.int64)
    folder = without_suffix(video)
    return WantedFrames(
        video=video,
        number=number,
        location=tuple(f"{folder}/{n:05d}.jpg" for n in number.tolist()),
        place=start + number - 1,
    )


def number_of_frames(video: str, seen: FaceFrames, counts: FrameCounts | None) -> int:
    """Return a video's number of frames, as `counts` or results of the whole video have it.

    Raises:
        UsageError: it is not known for sure.
    """
    if counts is not None:
        count = counts.of(video)
        if count is None:
            raise UsageError(
                f"--frame-counts: expected the number of frames of {escape(video)}, found none: add it"
            )
        return count
    if seen.complete:
        return seen.last
    why = f"damaged in {seen.losses} places" if seen.losses else "of pictures, whose last ones may be missing"
    raise UsageError(
        f"{escape(video)}: its number of frames is not known: the results end at frame {seen.last} and are {why}. "
        "Name the challenge's list of frames (--frames), or the numbers of frames (--frame-counts LIST with lines "
        "such as anna.mp4,80, or --frame-counts FOLDER of the videos)"
    )
