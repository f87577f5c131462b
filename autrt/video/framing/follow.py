"""Check that the elements of a file lie one behind the other; demuxers pass over what is none in silence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final
from weakref import finalize

from autrt.video.framing.element import Framing
from autrt.video.framing.flash_video import flash_video
from autrt.video.framing.matroska import matroska
from autrt.video.framing.program_stream import program_stream
from autrt.video.framing.transport_stream import transport_stream
from autrt.video.transport_stream import TRANSPORT_STREAM

_FRAMINGS: Final[Mapping[str, Callable[[bytes], Framing | None]]] = {
    "flv": flash_video,
    "matroska,webm": matroska,
    "mpeg": program_stream,
    TRANSPORT_STREAM: transport_stream,
}
"""FFmpeg's name of a format → the framing of a file, given its first bytes."""

_FIRST_BYTES: Final = 4096
_SEARCHED_BYTES: Final = 1 << 16

BROKEN: Final = "the container is damaged: no element begins where one should"
CUT_OFF: Final = "the container is damaged: its last element is cut off"


class FramingCheck:
    """Follows the elements of a file, as far as its demuxer has read it."""

    def __init__(self, path: Path, format_name: str) -> None:
        """Begin at the start of a file.

        Args:
            path: the file. One that does not begin as its format does is not followed.
            format_name: FFmpeg's name of the format.
        """
        self._framing: Framing | None = None
        self._at = 0
        self._is_lost = False
        """Whether no element begins at `_at`."""
        if format_name in _FRAMINGS:
            self._file: BinaryIO = path.open("rb")
            self._close = finalize(self, self._file.close)
            self._size = os.fstat(self._file.fileno()).st_size
            self._framing = _FRAMINGS[format_name](self._file.read(_FIRST_BYTES))
            self._at = 0 if self._framing is None else self._framing.first

    def read_to(self, position: int) -> str:
        """Follow the elements up to a byte, or past it.

        Args:
            position: a byte that the demuxer has come to.

        Returns:
            a reason for a loss where something else lies between them; else an empty text.
        """
        found = ""
        try:
            while self._framing is not None and self._at < min(position, self._size):
                found = self._step(self._framing) or found
        except OSError:  # the demuxer meets it, too, and says so
            self.close()
        return found

    def finish(self) -> str:
        """Follow the elements to the end of the file, and close it; return a reason for a loss or an empty text."""
        if self._framing is None:
            return ""
        may_lack = self._framing.may_lack_bytes
        found = self.read_to(self._size)
        self.close()
        lacking = max(0, self._at - self._size)
        return found if found or lacking in (0, may_lack) else CUT_OFF

    def _step(self, framing: Framing) -> str:
        """Go on by an element, or by a stretch without one."""
        self._file.seek(self._at)
        if self._is_lost:
            self._search(framing.mark)
            return ""
        length = framing.length(self._file.read(framing.head_bytes))
        self._is_lost = length is None
        self._at += length or 1
        return BROKEN if self._is_lost else ""

    def _search(self, mark: bytes) -> None:
        """Go on to the next mark of an element; to the end of the file where there is none."""
        data = self._file.read(_SEARCHED_BYTES)
        found = data.find(mark) if mark else -1
        self._is_lost = found < 0
        self._at += found if found >= 0 else max(1, len(data) + 1 - len(mark))

    def close(self) -> None:
        """Let go of the file."""
        if self._framing is not None:
            self._framing = None
            self._close()
