"""Digests of input files and settings, which tell whether existing results are up to date."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autrt.results.source_hash import sha256
from autrt.results.source_state import SourceState, files_of, unreadable
from autrt.types import Source

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """Identity of the input of a results file; meanings and units in `schema.ATTRIBUTES`."""

    path: str
    """Relative to the input folder, with surrogate escapes for bytes that are not UTF-8 (`Source.relative`)."""
    kind: str
    size_bytes: int
    mtime_ns: int
    fingerprint: str
    sha256: str = ""
    """Over all bytes; empty in older results, and where the source could not be read in full."""
    ctime_ns: int | None = None
    """None in older results."""

    @staticmethod
    def of(source: Source) -> SourceFacts:
        """Read the facts from disk: of the file 2 MiB, and so no `sha256`.

        Raises:
            VideoError: the source cannot be read.
        """
        state = SourceState.of(source.path)
        return SourceFacts(
            path=source.relative,
            kind=source.kind,
            size_bytes=state.size_bytes,
            mtime_ns=state.mtime_ns,
            ctime_ns=state.ctime_ns,
            fingerprint=fingerprint(source.path),
        )

    def describes(self, path: Path) -> bool:
        """Return whether a source on disk is the one of these facts: by its hash where its time is another.

        Raises:
            VideoError: it cannot be read.
        """
        if self.fingerprint != fingerprint(path):
            return False
        return (
            not self.sha256 or SourceState.of(path).mtime_ns == self.mtime_ns or sha256(path) == self.sha256
        )


def fingerprint(path: Path) -> str:
    """Return the SHA-256 (hex) over a file's size (8 bytes, little-endian), first and last MiB.

    For a folder it is computed over the pictures' names and sizes.

    Raises:
        VideoError: the source cannot be read.
    """
    try:
        if path.is_dir():
            return folder_fingerprint((part.name, part.stat().st_size) for part in files_of(path))
        with path.open("rb") as file:

            def read(start: int, size: int) -> bytes:
                file.seek(start)
                return file.read(size)

            return file_fingerprint(os.fstat(file.fileno()).st_size, read)
    except OSError as error:
        raise unreadable(path, error) from error


def file_fingerprint(size_bytes: int, read: Callable[[int, int], bytes]) -> str:
    """Return the fingerprint of a file, wherever it lies.

    Args:
        size_bytes: its size.
        read: returns the bytes from a start, as many as are given or there are.
    """
    digest = hashlib.sha256(size_bytes.to_bytes(8, "little") + read(0, _MIB))
    digest.update(read(max(size_bytes - _MIB, 0), _MIB))
    return digest.hexdigest()


def folder_fingerprint(files: Iterable[tuple[str, int]]) -> str:
    """Return the fingerprint of a folder: of the names and sizes of its files, in order of name."""
    digest = hashlib.sha256()
    for name, size_bytes in files:
        digest.update(os.fsencode(name) + b"\0" + str(size_bytes).encode() + b"\0")
    return digest.hexdigest()


def run_digest(fingerprint: str, model_digest: str, settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) over everything that determines the numbers in one video's results.

    Args:
        fingerprint: of the source.
        model_digest: over networks, thresholds and windows.
        settings: JSON values; every setting that changes numbers, and nothing about host, threads or versions.
    """
    whole = {"fingerprint": fingerprint, "model": model_digest, "settings": settings}
    return hashlib.sha256(canonical_json(whole).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Return one fixed JSON text per value: sorted keys, no spaces, ASCII; tuples become lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
