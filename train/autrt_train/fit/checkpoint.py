"""Checkpoints: written atomically, and read without executing code from the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch

from autrt.errors import DiskFullError, UsageError
from autrt.storage.atomic_file import replacing
from autrt.storage.deferred_error_file import DeferredErrorFile

LAST: Final = "last.pt"
"""File with the state that a run is resumed from."""

WEIGHTS: Final = "weights"
"""Folder of the state dicts that were the best at some validation, by its number: `weights/0003.pt`."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint with `torch.save`; a file that `path` names stays until the new one is whole.

    Raises:
        DiskFullError: no space is left; the old file is untouched.
        ResultsError: the file cannot be written for another reason.
    """
    try:
        with replacing(path) as part, part.open("r+b", buffering=0) as stream:
            file = DeferredErrorFile(stream.fileno())
            torch.save(dict(content), cast("Any", file))
            if file.error:
                raise file.error
    except DiskFullError as error:
        raise DiskFullError(
            f"no space left while {path} was saved; the checkpoint before it is whole: free some space and "
            "go on with --resume"
        ) from error


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
