"""Search for results files in the paths that a user names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from autrt.errors import UsageError
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"


def find_results(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return the results files in `paths`, each with its path relative to the folder searched (a file: its name).

    Folders are searched recursively for `*.h5`, in order of name; a file may have any name.

    Raises:
        UsageError: a path does not exist, a file is not HDF5, or nothing was found.
    """
    found = [pair for path in paths for pair in _below(path)]
    if not found:
        raise UsageError(
            f"no results file (*{SUFFIX}) in {', '.join(escape(str(p)) for p in paths) or 'no path'}"
        )
    return found


def is_newer(target: Path, than: Sequence[Path]) -> bool:
    """Return True if `target` exists and was written after the last change (or move) of every file in `than`.

    Only times are compared; the files are not opened.
    """
    try:
        written_ns = target.stat().st_mtime_ns
        return all(written_ns > max(s.st_mtime_ns, s.st_ctime_ns) for s in (path.stat() for path in than))
    except OSError:
        return False


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def _below(path: Path) -> Iterator[tuple[Path, Path]]:
    if not path.exists():
        raise UsageError(f"{escape(str(path))} does not exist: expected a results file or a folder of them")
    if not path.is_dir():
        if path.suffix != SUFFIX and not _is_hdf5(path):
            raise UsageError(
                f"{escape(str(path))} is no results file: expected one (*{SUFFIX}) that `autrt infer` wrote, or "
                "a folder of them, its --out"
            )
        yield path, Path(path.name)
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.endswith(SUFFIX):
                file = Path(folder, name)
                yield file, file.relative_to(path)
