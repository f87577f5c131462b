"""A folder that appears whole under its name, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from autrt.errors import UsageError


@contextmanager
def new_folder(folder: Path, *, overwrite: bool) -> Generator[Path]:
    """Give a scratch folder to fill; it gets the name `folder` when the block ends well, and goes otherwise.

    Raises:
        UsageError: `folder` exists and must not be overwritten.
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
    """Copy some files of one folder into a new other."""
    target.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, target / name)
