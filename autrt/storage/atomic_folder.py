"""Atomic writing of folders: into a temporary folder beside the target, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from autrt.errors import UsageError


@contextmanager
def new_folder(folder: Path, *, overwrite: bool) -> Generator[Path]:
    """Yield an empty folder to fill; it becomes `folder` when the block ends, and is removed when the block raises.

    Args:
        folder: path of the finished folder; its parent is made.
        overwrite: replace a folder that exists.

    Raises:
        UsageError: `folder` exists and `overwrite` is off.
    """
    if folder.exists() and not overwrite:
        raise UsageError(f"{folder} exists: remove it, choose another name, or allow it to be overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh, old = Path(scratch, "new"), Path(scratch, "old")
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)


def copy_files(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copy the files called `names` from `source` into the new folder `target`."""
    target.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, target / name)
