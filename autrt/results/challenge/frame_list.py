"""The challenge's list of the videos, or the frames, that a submission must hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from autrt.errors import UsageError
from autrt.storage.escape import escape
from autrt.types import I64, ShapedRepr, check_array
from autrt.video.file_kind import STILL_SUFFIXES, VIDEO_SUFFIXES

LOCATION: Final = "image_location"
"""First column of the single file and of the challenge's sample submissions."""

_NUMBERED: Final = re.compile(r"(?P<video>.+)/(?P<number>(?!0+\.)[0-9]{5,})\.[A-Za-z]+")


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class WantedFrames(ShapedRepr):
    """Frames of one video that a submission must hold, in the list's order."""

    video: str
    """The video's name in the list."""
    number: I64
    """(W,) int64; frames count from 1."""
    location: tuple[str, ...]
    """(W,) the frames' entries in the single file's first column."""
    place: I64
    """(W,) int64, the frames' rows in the single file."""

    def __post_init__(self) -> None:
        for name in ("number", "place"):
            check_array(self, name, getattr(self, name), np.int64, (len(self.location),))


@dataclass(frozen=True, slots=True)
class FrameList:
    """Contents of a list: whole videos, or frames of videos."""

    videos: tuple[str, ...]
    """In order of first appearance."""
    frames: tuple[WantedFrames, ...] | None
    """One per video; None if the list names whole videos."""


def read_frame_list(path: Path) -> FrameList:
    """Read a list with a video (`anna`, `batch1/anna.mp4`) or a frame (`anna/00001.jpg`) per line, not both kinds.

    Text after a comma, empty lines and the header `image_location,…` are ignored, so the challenge's lists of
    names and its sample submissions can be used as they are.

    Raises:
        UsageError: the file cannot be read or is empty, an entry occurs twice, or a picture has no frame
            number.
    """
    named = _lines(path)
    frames = [_NUMBERED.fullmatch(text) if _is_picture(text) else None for _, text in named]
    for (line, text), frame in zip(named, frames, strict=True):
        if _is_picture(text) and frame is None:
            raise UsageError(
                f"{escape(str(path))}:{line}: expected a frame such as video/00001.jpg, found {escape(text)!r}"
            )
        if (frame is None) != (frames[0] is None):
            raise UsageError(
                f"{escape(str(path))}:{line}: expected {'videos' if frames[0] is None else 'frames'} alone, as in "
                f"the lines above, found {escape(text)!r}"
            )
    found = [frame for frame in frames if frame is not None]
    if not found:
        return FrameList(tuple(text for _, text in named), None)
    rows: dict[str, list[int]] = {}
    for row, frame in enumerate(found):
        rows.setdefault(frame["video"], []).append(row)
    wanted = [
        WantedFrames(
            video=video,
            number=np.array([int(found[row]["number"]) for row in mine], np.int64),
            location=tuple(found[row][0] for row in mine),
            place=np.array(mine, np.int64),
        )
        for video, mine in rows.items()
    ]
    return FrameList(tuple(rows), tuple(wanted))


def without_suffix(name: str) -> str:
    """Return a video's name without its extension; a name without a video's extension is returned unchanged."""
    path = Path(name)
    return str(path.with_suffix("")) if path.suffix.lower() in VIDEO_SUFFIXES else name


def _is_picture(text: str) -> bool:
    return Path(text).suffix.lower() in STILL_SUFFIXES


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return line number and first cell of each line that holds an entry."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"--frames {escape(str(path))} cannot be read: {error.strerror}") from error
    named: dict[str, int] = {}
    for line, content in enumerate(text.splitlines(), 1):
        cell = content.partition(",")[0].strip()
        if not cell or (line == 1 and cell == LOCATION):
            continue
        if cell in named:
            raise UsageError(
                f"{escape(str(path))}:{line}: {escape(cell)!r} stands twice, first in line {named[cell]}"
            )
        named[cell] = line
    if not named:
        raise UsageError(f"{escape(str(path))}: expected a list of videos or frames, found an empty one")
    return [(line, cell) for cell, line in named.items()]
