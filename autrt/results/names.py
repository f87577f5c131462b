"""Paths and names of results files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Final

from autrt.errors import UsageError
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape

NAME_MAX_BYTES: Final = 255


def results_path(out: Path, relative: str) -> Path:
    """Return the path of a video's results, `<out>/<relative>.h5`; names over 255 bytes are shortened.

    Raises:
        UsageError: `relative` is absolute or contains '..'.
    """
    path = PurePosixPath(relative)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in relative:
        raise UsageError(
            f"{escape(relative)!r} cannot be the place of a results file in {escape(str(out))}: expected a path "
            "inside the input folder, without '..' and not absolute"
        )
    return out.joinpath(*path.parts[:-1], file_name(path.name, SUFFIX))


def file_name(name: str, suffix: str) -> str:
    """Return `name` + `suffix`; over 255 bytes, the end of `name` is replaced by 16 hex digits of its SHA-256."""
    raw = os.fsencode(name)
    if len(raw) + len(suffix) <= NAME_MAX_BYTES:
        return name + suffix
    tail = f"~{hashlib.sha256(raw).hexdigest()[:16]}{suffix}"
    # Ignoring invalid UTF-8 also drops a character that was cut in half.
    start = raw[: NAME_MAX_BYTES - len(tail)].decode("utf-8", "ignore")
    return start + tail
