"""Reasons why a file cannot be read as a video, found before or after FFmpeg has tried to open it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from av.error import DecoderNotFoundError, FFmpegError, PatchWelcomeError
from av.error import MemoryError as NoMemoryError

from autrt.errors import VideoError

HEAD_BYTES: Final = 4096
"""Bytes of a file that are read to see whether it is text."""

_TEXT_VIDEO: Final = b"YUV4MPEG2 "
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")
_PROBED_BYTES: Final = 1 << 20
_BOXES_READ: Final = 10_000
_SYSTEM_ERRORS: Final = {errno.ENOENT, errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE}
"""Error numbers of FFmpeg that come from the system; it uses others, such as EPERM, for damage."""


def check_file(path: Path) -> None:
    """Raise where a file can be neither video nor picture; opens only regular files, as others could block.

    Raises:
        VideoError: `path` is missing, a dangling link, not a regular file, not readable, empty or text.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
            raise VideoError(f"expected a file, found {kind}")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error
    if not head:
        raise VideoError("the file is empty (0 bytes): copy or download it again")
    if is_text(head):
        raise VideoError("expected a video or a picture, found text")


def is_text(head: bytes) -> bool:
    """Return whether a file that begins with `head` is text: UTF-8 without control characters."""
    if not head or head.startswith(_TEXT_VIDEO) or not _CONTROLS.isdisjoint(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"  # the last character is incomplete
    return True


def reason_of(path: Path, error: FFmpegError) -> str:
    """Return the reason why FFmpeg could not open a file."""
    if isinstance(error, OSError) and error.errno in _SYSTEM_ERRORS:
        return system_reason(path, error)
    if isinstance(error, PatchWelcomeError | DecoderNotFoundError | NoMemoryError):
        return f"cannot be opened: {error.strerror}"
    if _lacks_index(path):
        return (
            "its index (the 'moov' box) is missing: the recording or the copy was cut off, and no frame can be "
            "found without it; copy it again, or let a repair tool rebuild the index"
        )
    if _is_blank(path):
        return "it begins with nothing but zeros: copy or download it again"
    return "not a video: no known format was found in it, or its head is damaged or cut off"


def system_reason(path: Path, error: OSError) -> str:
    """Return the reason why the system could not read a file."""
    if isinstance(error, FileNotFoundError):
        return (
            f"a link to {str(path.readlink())!r}, which does not exist"
            if path.is_symlink()
            else "no such file"
        )
    return f"cannot be read: {error.strerror or error}"


def _is_blank(path: Path) -> bool:
    """Return whether the part of a file by which formats are recognised is all zeros."""
    try:
        with path.open("rb") as file:
            return not file.read(_PROBED_BYTES).strip(b"\0")
    except OSError:
        return False


def _lacks_index(path: Path) -> bool:
    """Return whether this is an MP4 or QuickTime file whose boxes end without 'moov' (or 'moof')."""
    seen: set[bytes] = set()
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(0)
            for _ in range(_BOXES_READ):
                head = file.read(16)
                size, name = int.from_bytes(head[:4]), head[4:8]
                seen.add(name)
                size = int.from_bytes(head[8:16]) if size == 1 else size
                start += size
                if len(head) < 16 or size < 8 or start >= end:
                    break
                file.seek(start)
    except OSError:
        return False
    return bool(seen & {b"ftyp", b"mdat"}) and not seen & {b"moov", b"moof"}
