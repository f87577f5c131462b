"""Checkpoints: written whole or not at all, read without running any code of theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import torch

from autrt.errors import DiskFullError, UsageError
from autrt.storage.disk import FULL

LAST: Final = "last.pt"
"""The state to go on from."""

WEIGHTS: Final = "weights"
"""Folder of state dicts that were the best at some look, by look: `weights/0003.pt`."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """`torch.save` under another name, fsync, rename: the old file stays until the new one is whole.

    Raises:
        DiskFullError: no space is left; the old file is untouched.
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
    """A file to write to that remembers why it could not: torch tells of a failed write, not of its reason."""

    def __init__(self, stream: BinaryIO, recorded: list[OSError]) -> None:
        self._stream, self._recorded = stream, recorded

    def write(self, data: bytes) -> int:
        """As the stream's."""
        try:
            written = self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            self._recorded.append(error)
            raise
        return written

    def flush(self) -> None:
        """Every write is flushed already."""


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values, on the CPU.

    Raises:
        UsageError: no such file, or it is damaged or holds anything else.
    """
    if not path.is_file():
        raise UsageError(f"{path}: expected a checkpoint to go on from, found nothing: leave out --resume")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that may have been damaged in any way
        raise UsageError(f"{path} is no checkpoint of this version, or damaged ({error})") from error
