"""Numbers of frames of the challenge's videos, from a list or from the videos themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from autrt.errors import UsageError, VideoError
from autrt.results.challenge.frame_list import without_suffix
from autrt.results.challenge.match_videos import video_keys
from autrt.storage.escape import escape
from autrt.types import Source
from autrt.video.discover import discover
from autrt.video.open import open_decoder
from autrt.video.packet_scan import IrregularFileError, scan

SIDES: Final = ("_left", "_right")
"""Endings of the names of two people in one of Aff-Wild2's videos."""

_LINE: Final = re.compile(r"(?P<video>.+?)[\s,;]+(?P<count>[0-9]{1,9})(?:[\s,;].*)?")


class FrameCounts(Protocol):
    """Numbers of frames by video."""

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of all videos whose count is known."""
        ...

    def of(self, video: str) -> int | None:
        """Return the number of frames of a video, found by its path or name; None where it is unknown."""
        ...


def read_frame_counts(path: Path) -> FrameCounts:
    """Read a list with a video and its number of frames per line, or take the videos themselves.

    Args:
        path: a text (`anna.mp4,80`; a header is passed over), or a folder of videos, which are read through.

    Raises:
        UsageError: it cannot be read, a line is something else, or a video stands twice.
    """
    return VideoFrameCounts(discover([path])) if path.is_dir() else ListedFrameCounts(_read(path))


class ListedFrameCounts:
    """Numbers that a list states.

    Args:
        counts: by the list's names.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts
        self._named: dict[str, set[int]] = {}
        for name, count in counts.items():
            for key in video_keys(name):
                self._named.setdefault(key, set()).add(count)

    @property
    def videos(self) -> tuple[str, ...]:
        """The list's names, in its order."""
        return tuple(self._counts)

    def of(self, video: str) -> int | None:
        """Return what the list states; None also where videos of one name have different numbers."""
        found = next((self._named[key] for key in video_keys(video) if key in self._named), set[int]())
        return next(iter(found)) if len(found) == 1 else None


class VideoFrameCounts:
    """Numbers of the frames that videos hold.

    Args:
        sources: the videos; pictures among them are passed over, as their last numbers may be missing.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        videos = [source for source in sources if source.kind == "video"]
        if not videos:
            raise UsageError(
                "--frame-counts: expected a list of videos and numbers, or a folder with videos, "
                "found no video in it"
            )
        self._videos = tuple(source.relative for source in videos)
        self._named: dict[str, list[Source]] = {}
        for source in videos:
            for key in video_keys(source.relative):
                self._named.setdefault(key, []).append(source)
        self._counted: dict[str, int] = {}

    @property
    def videos(self) -> tuple[str, ...]:
        """The videos' paths below the folder."""
        return self._videos

    def of(self, video: str) -> int | None:
        """Read a video through and count its frames; None where none or several have the name.

        The halves `_left` and `_right` have the frames of the whole.

        Raises:
            UsageError: part of the video cannot be read.
        """
        keys = [*video_keys(video), *video_keys(_whole(video))]
        found = next((self._named[key] for key in keys if key in self._named), [])
        if len(found) != 1:
            return None
        source = found[0]
        if source.relative not in self._counted:
            self._counted[source.relative] = _count(source)
        return self._counted[source.relative]


def _whole(video: str) -> str:
    name = without_suffix(PurePosixPath(video).name)
    return next((name.removesuffix(side) for side in SIDES if name.endswith(side)), name)


def _count(source: Source) -> int:
    """Count the packets of an intact file; decode any other."""
    try:
        return len(scan(source.path).pts)
    except IrregularFileError:
        pass
    except VideoError as error:
        raise _damaged(source, str(error)) from error
    try:
        with closing(open_decoder(source)) as decoder:
            count = sum(1 for _ in decoder)
            reasons = [loss.reason for loss in decoder.lost]
    except VideoError as error:
        raise _damaged(source, str(error)) from error
    if reasons:
        raise _damaged(source, reasons[0])
    return count


def _damaged(source: Source, reason: str) -> UsageError:
    return UsageError(
        f"--frame-counts: expected whole videos, found one that is damaged: {escape(str(source.path))}: {reason}: "
        "state its number of frames in a list"
    )


def _read(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise UsageError(f"--frame-counts {escape(str(path))} cannot be read: {error.strerror}") from error
    counts: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line.strip())
        if found is None:
            if line.strip() and number > 1:
                raise UsageError(
                    f"{escape(str(path))}:{number}: expected a video and its number of frames (anna.mp4,80), "
                    f"found {escape(line.strip()[:60])!r}"
                )
            continue
        if counts.setdefault(found["video"], int(found["count"])) != int(found["count"]):
            raise UsageError(
                f"{escape(str(path))}:{number}: {escape(found['video'])!r} has two numbers of frames: "
                f"{counts[found['video']]} and {found['count']}"
            )
    if not counts:
        raise UsageError(f"{escape(str(path))}: expected videos and their numbers of frames, found none")
    return counts
