"""Reasons to look at a video's results twice."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from autrt.face.quality import FACTORS, quality_grades
from autrt.results.reader import Results
from autrt.results.schema import FACE_FIELDS
from autrt.results.summaries.summary import VideoSummary
from autrt.results.summaries.text import percent
from autrt.types import Faces

FEW_FACES: Final = 0.5
SMALL_FACE_PX: Final = 40.0
LOW_SCORE: Final = 0.5
MANY_LOW: Final = 0.2
LOW_QUALITY: Final = 0.5

_ROUNDING: Final = 2e-3
"""Tolerance for qualities, which are stored as float16."""

_FAULTS: Final = {
    "sharpness": "blurred or noisy",
    "size": "small",
    "pose": "turned away",
    "score": "uncertain",
    "presence": "covered or misplaced",
}
"""Factor of the quality → what a face is where it is the lowest."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One reason."""

    name: str
    """In two or three words."""
    detail: str


def flags_of(results: Results, summary: VideoSummary) -> tuple[Flag, ...]:
    """Return what is wrong or doubtful about a video, worst first; docs/results.md defines each.

    Raises:
        ResultsError: the file is damaged.
    """
    found: list[Flag] = []
    if summary.losses:
        what = f"{summary.lost_packets} packets at {summary.losses} places could not be decoded"
        found.append(Flag("part lost", what))
    if summary.damaged_frames:
        found.append(
            Flag("damaged frames", f"{summary.damaged_frames} of {summary.frames} frames may be wrong")
        )
    share = summary.face_frames / max(summary.frames, 1)
    if share < FEW_FACES:
        found.append(Flag("few faces" if share else "no face", f"a face in {percent(share)} of the frames"))
    if results.n_faces:
        found += _of_faces(results)
    if results.header.times_from != "stamps":
        what = "the video has no usable time stamps: times are by a rate"
        found.append(Flag("times by rate", what))
    return tuple(found)


def _of_faces(results: Results) -> list[Flag]:
    boxes = results.faces["box"]
    side_px = float(np.median(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).clip(0))))
    low = float((results.faces["score"] < LOW_SCORE).mean())
    found: list[Flag] = []
    if side_px < SMALL_FACE_PX:
        found.append(Flag("small faces", f"half of them have sides of less than {side_px:.0f} px"))
    if low > MANY_LOW:
        found.append(
            Flag("unsure detections", f"{percent(low)} of the faces have a score below {LOW_SCORE:g}")
        )
    if "quality" in results.faces:
        found += _low_quality(results)
    return found


def _low_quality(results: Results) -> list[Flag]:
    quality = results.quality()
    low = quality < LOW_QUALITY
    if low.mean() <= MANY_LOW:
        return []
    faces = Faces(**{c.field: results.faces[c.name][low] for c in FACE_FIELDS})
    aspect = Fraction(results.header.video.pixel_aspect).limit_denominator(1000)
    grades = quality_grades(faces, results.faces["sharpness"][low].astype(np.float32), None, aspect)
    lowest = grades.argmin(axis=1)
    lowest[grades.min(axis=1) > quality[low] + _ROUNDING] = FACTORS.index("presence")
    usual = FACTORS[int(np.bincount(lowest).argmax())]
    share = percent(float(low.mean()))
    what = f"{share} of the faces have a quality below {LOW_QUALITY:g}; most of these are {_FAULTS[usual]}"
    return [Flag("low quality", what)]
