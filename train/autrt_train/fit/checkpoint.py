"""Checkpoints: written atomically, and read without executing code from the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import torch

from autrt.errors import DiskFullError, UsageError
from autrt.storage.disk import FULL

LAST: Final = "last.pt"
"""File with the state that a run is resumed from."""

WEIGHTS: Final = "weights"
"""Folder of the state dicts that were the best at some validation, by its number: `weights/0003.pt`."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: `torch.save` to a temporary file, fsync, rename.

    Raises:
        DiskFullError: no space is left; the old file is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    recorded: list[OSError] = []
    try:
        with scratch.open("wb") as stream:
            torch.save(dict(content), cast("Any", _Recording(stream, recorded)))
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except (OSError, RuntimeError) as error:
        cause = error if isinstance(error, OSError) else next(iter(recorded), None)
        if cause is not None and cause.errno in FULL:
            raise DiskFullError(
                f"no space left while {path} was saved; the checkpoint before it is whole: free some space and "
                "go on with --resume"
            ) from error
        raise
    finally:
        scratch.unlink(missing_ok=True)


class _Recording:
    """A writable file that records its OSErrors, because torch reports a failed write without the reason."""

    def __init__(self, stream: BinaryIO, recorded: list[OSError]) -> None:
        self._stream, self._recorded = stream, recorded

    def write(self, data: bytes) -> int:
        """Write and flush."""
        try:
            written = self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            self._recorded.append(error)
            raise
        return written

    def flush(self) -> None:
        """Do nothing: every write is flushed already."""


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint's tensors and plain values to the CPU.

    Raises:
        UsageError: no such file, or it is damaged or holds anything else.
    """
    if not path.is_file():
        raise UsageError(f"{path}: expected a checkpoint to go on from, found nothing: leave out --resume")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that may be damaged in any way
        raise UsageError(f"{path} is no checkpoint of this version, or damaged ({error})") from error
