"""Digests of input files and settings, which tell whether existing results are up to date."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autrt.errors import VideoError
from autrt.storage.escape import escape
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

    @staticmethod
    def of(source: Source, *, full_hash: bool = False) -> SourceFacts:
        """Read the facts from disk: 2 MiB of the file, or all of it with `full_hash`.

        Raises:
            VideoError: the source cannot be read.
        """
        size_bytes, mtime_ns = size_and_mtime(source.path)
        return SourceFacts(
            path=source.relative,
            kind=source.kind,
            size_bytes=size_bytes,
            mtime_ns=mtime_ns,
            fingerprint=fingerprint(source.path),
            sha256=sha256(source.path) if full_hash else "",
        )


def size_and_mtime(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and modification time in ns; of a folder the sum and the latest of its files.

    Raises:
        VideoError: the source cannot be read.
    """
    try:
        stats = [os.stat(p) for p in _parts(path)]  # noqa: PTH116
    except OSError as error:
        raise _unreadable(path, error) from error
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


def fingerprint(path: Path) -> str:
    """Return the SHA-256 (hex) over a file's size (8 bytes, little-endian), first and last MiB.

    For a folder it is computed over the pictures' names and sizes.

    Raises:
        VideoError: the source cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for part in _parts(path):
                digest.update(os.fsencode(part.name) + b"\0" + str(part.stat().st_size).encode() + b"\0")
            return digest.hexdigest()
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(size.to_bytes(8, "little") + file.read(_MIB))
            file.seek(max(size - _MIB, 0))
            digest.update(file.read(_MIB))
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) over all bytes of a file; for a folder over its pictures' names and SHA-256.

    Raises:
        VideoError: the source cannot be read.
    """
    try:
        if not path.is_dir():
            return _file_sha256(path)
        lines = (os.fsencode(p.name) + b"\0" + _file_sha256(p).encode() + b"\0" for p in _parts(path))
        return hashlib.sha256(b"".join(lines)).hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


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


def _parts(path: Path) -> Iterator[Path]:
    """Yield the file itself, or a folder's files by name without hidden ones."""
    if not path.is_dir():
        yield path
        return
    with os.scandir(path) as entries:
        names = [e.name for e in entries if e.is_file() and not e.name.startswith(".")]
    yield from (path / name for name in sorted(names))


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreadable(path: Path, error: OSError) -> VideoError:
    return VideoError(f"{escape(str(path))} cannot be read: {error.strerror or error}")
