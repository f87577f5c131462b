"""SHA-256 over all bytes of a source, computed beside its decoding or at once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Final

from autrt.results.source_state import files_of, unreadable

_PIECE: Final = 1 << 20

_Pieces = Generator[int, None, str]
"""Yields the size of each piece that was hashed, in bytes; returns the digest."""


class SourceHash:
    """The SHA-256 of a source while it is decoded: of what was just read, so that the disk gives each byte once.

    Args:
        path: the file or folder of pictures.
        size_bytes: its size.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._pieces = _pieces(path)
        self._size_bytes = size_bytes
        self._done_bytes = 0
        self._digest: str | None = None

    def advance(self, share: float) -> None:
        """Hash up to a share (0 to 1) of the source."""
        while self._digest is None and self._done_bytes + _PIECE <= share * self._size_bytes:
            self._step()

    def finish(self) -> str:
        """Hash the rest and return the digest (hex); empty where the source cannot be read in full."""
        while self._digest is None:
            self._step()
        return self._digest

    def close(self) -> None:
        """Close the files."""
        self._pieces.close()

    def _step(self) -> None:
        try:
            self._done_bytes += next(self._pieces)
        except StopIteration as end:
            self._digest = end.value or ""
        except OSError:  # a bad sector, which the decoder may pass over
            self._digest = ""


def sha256(path: Path, stop: threading.Event | None = None) -> str:
    """Return the SHA-256 (hex) over all bytes of a file; for a folder over its pictures' names and SHA-256.

    Args:
        path: the file or folder.
        stop: ends the reading early when set; the result is then empty.

    Raises:
        VideoError: the source cannot be read.
    """
    pieces = _pieces(path)
    try:
        while stop is None or not stop.is_set():
            next(pieces)
    except StopIteration as end:
        return end.value
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        pieces.close()
    return ""


def _pieces(path: Path) -> _Pieces:
    if not path.is_dir():
        return (yield from _pieces_of_file(path))
    whole = hashlib.sha256()
    for file in files_of(path):
        digest = yield from _pieces_of_file(file)
        whole.update(os.fsencode(file.name) + b"\0" + digest.encode() + b"\0")
    return whole.hexdigest()


def _pieces_of_file(path: Path) -> _Pieces:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while data := file.read(_PIECE):
            digest.update(data)
            yield len(data)
    return digest.hexdigest()
