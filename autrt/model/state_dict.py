"""Reading state dicts from checkpoint files, without running any code of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from autrt.errors import UsageError

_CONTAINERS: Final = ("state_dict", "model", "model_state_dict", "state_dict_backbone", "backbone", "network")
"""Keys under which training scripts store the weights, beside an optimizer and counters."""

_WRAPPERS: Final = ("module.", "_orig_mod.")
"""Name prefixes that DistributedDataParallel and torch.compile add."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights in a checkpoint: a .safetensors file, or any other through `torch.load(weights_only=True)`.

    Returns:
        Name → tensor on the CPU, in the file's order, without the name prefixes of wrappers.

    Raises:
        UsageError: the file is missing, is no PyTorch checkpoint, needs code to be run, or has no weights.
    """
    content = _load(path)
    weights = _weights(content)
    if weights is None:
        raise UsageError(
            f"{path}: expected a state dict (name → tensor), alone or as one of {', '.join(_CONTAINERS)}; "
            f"found {_describe(content)}."
        )
    return _unwrapped(weights)


def _load(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(
            f"{path}: expected a checkpoint file, found {'a folder' if path.is_dir() else 'nothing'}."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler may fail in any way on bytes of unknown origin
        raise UsageError(
            f"{path}: expected a PyTorch checkpoint that holds tensors alone, such as Glint360K's backbone.pth; "
            f"found {_obstacle(path)}."
        ) from error


def _obstacle(path: Path) -> str:
    """Describe why a file cannot be read, from the class names in its pickle."""
    try:
        foreign = sorted(get_unsafe_globals_in_checkpoint(path))
    except Exception:  # not an archive, or a damaged one
        foreign = []
    if foreign:
        return (
            f"objects that need code of their own ({', '.join(foreign[:3])}), which is never run here. Where the "
            "file was made, save the state dict alone: torch.save(model.state_dict(), path)"
        )
    return "a file that is damaged, cut off, or something else (a downloaded web page, another format)"


def _weights(content: Any) -> dict[str, Tensor] | None:
    """Return the first state dict in `content`, which may be one itself; None where there is none."""
    if not isinstance(content, Mapping):
        return None
    entries = cast("Mapping[Any, Any]", content)
    for candidate in (entries, *(entries[key] for key in _CONTAINERS if key in entries)):
        if isinstance(candidate, Mapping):
            named = cast("Mapping[Any, Any]", candidate)
            if named and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in named.items()):
                return dict(named)
    return None


def _unwrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the name prefixes of wrappers that all entries have."""
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in weights):
            return _unwrapped({name.removeprefix(prefix): tensor for name, tensor in weights.items()})
    return weights


def _describe(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    keys = [repr(key) for key in cast("Mapping[Any, Any]", content)]
    return f"a dict of {', '.join(keys[:5])}" if keys else "an empty dict"
