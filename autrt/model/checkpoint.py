"""Import of checkpoints into a network, with a report of the entries that were copied.

Checkpoints come from face recognition (insightface's iresnet, such as Glint360K's backbone.pth), from vision
transformers trained without labels (MAE, DINOv2), or from this project's training.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, nn

from autrt.errors import UsageError
from autrt.model.state_dict import read_state_dict
from autrt.model.vit_checkpoint import fitted, is_vit

_log = logging.getLogger(__name__)

INSIGHTFACE_NOTICE: Final = (
    "Face-recognition weights published by insightface, Glint360K's among them, are licensed for non-commercial "
    "research only; so is what is trained from them."
)

_TRUNK: Final = frozenset({"conv1", "bn1", "prelu", "layer1", "layer2", "layer3", "layer4", "bn2"})
"""First parts of the names in insightface's iresnet, without its fully connected layer."""

_State = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """Result of an import. Names are those of the state dicts."""

    source: Path
    matched: tuple[str, ...]
    """Entries of the network that now hold the checkpoint's values."""
    left: tuple[str, ...]
    """Entries of the checkpoint that the network does not have, or that were skipped."""
    fresh: tuple[str, ...]
    """Entries of the network that keep their values."""
    notice: str
    """Licence notice for such weights; empty where none is known."""

    def __str__(self) -> str:
        lines = [
            f"{self.source}: {len(self.matched)} entries matched ({_parts(self.matched)})",
            f"left in the checkpoint: {len(self.left)} ({_parts(self.left)})",
            f"kept as they were in the network: {len(self.fresh)} ({_parts(self.fresh)})",
        ]
        return "\n".join([*lines, self.notice] if self.notice else lines)


def import_checkpoint(network: nn.Module, path: Path, skip: Sequence[str] = ()) -> ImportReport:
    """Copy a checkpoint's weights into `network`.

    A part of the network (the backbone, else a direct child such as `neck` or `au`) that the checkpoint has any
    entry of must match in every name and shape. Other parts keep their values, and other entries of the checkpoint
    are ignored. insightface's names are mapped to a full network's backbone and, with a plain head, to its fully
    connected layer. For such weights the licence notice is logged as a warning. For a vision transformer names are
    mapped and position embeddings interpolated as `autrt.model.vit_checkpoint` says.

    Args:
        network: receives the values; unchanged after an error.
        path: a file written by torch.save, or a .safetensors file.
        skip: names of the network, or leading parts of names, that keep their values, e.g. `("au",)` where the AUs
            differ.

    Raises:
        UsageError: the file is no checkpoint, has no entry of this network, or does not match it; the message names
            the first mismatch with both shapes.
    """
    own = cast("_State", network.state_dict())
    found: _State = read_state_dict(path)
    if is_vit(own):
        found = fitted(found, own)
    _check_skip(skip, own)
    places = {name: _own_name(name, own) for name in found}
    offered = {own_name: found[name] for name, own_name in places.items() if not _starts(own_name, skip)}
    _check(path, offered, {name: tensor for name, tensor in own.items() if not _starts(name, skip)})
    matched = {name: tensor for name, tensor in offered.items() if name in own}
    network.load_state_dict(matched, strict=False)
    return ImportReport(
        source=path,
        matched=tuple(matched),
        left=tuple(name for name, own_name in places.items() if own_name not in matched),
        fresh=tuple(name for name in own if name not in matched),
        notice=_notice(path, found),
    )


def _own_name(name: str, own: _State) -> str:
    """Return a checkpoint entry's name in the network, where `own` has the network's entries."""
    root, _, rest = name.partition(".")
    if name in own or "backbone.conv1.weight" not in own:
        return name
    if root in _TRUNK:
        return f"backbone.{name}"
    if "embed.fc.weight" in own and root in ("fc", "features"):
        return f"embed.fc.{rest}" if root == "fc" else f"norm.{rest}"
    return name


def _check(path: Path, offered: _State, own: _State) -> None:
    """Raise UsageError unless every part that both have is the same in names and shapes."""
    shared = {_part(name) for name in offered} & {_part(name) for name in own}
    if not shared:
        raise UsageError(
            f"{path}: holds nothing for this network. It has entries such as {', '.join(list(offered)[:3])}; the "
            f"network expects such as {', '.join(list(own)[:3])}."
        )
    names = dict.fromkeys(name for name in (*offered, *own) if _part(name) in shared)
    for name in names:
        # Checkpoints older than PyTorch 0.4.1 have no such count, and nothing here uses it.
        if name in offered or not name.endswith("num_batches_tracked"):
            _compare(path, name, offered.get(name), own.get(name))


def _compare(path: Path, name: str, found: Tensor | None, expected: Tensor | None) -> None:
    if _shape(found) != _shape(expected):
        raise UsageError(
            f"{path}: {name}: the checkpoint has {_shape(found)}, the network expects {_shape(expected)}. Choose "
            f"the depth, width and head that the checkpoint was trained with, or skip {_part(name)!r} to leave "
            "that part of the network as it is."
        )
    if found is not None and found.is_floating_point() and not bool(torch.isfinite(found).all()):
        raise UsageError(f"{path}: {name}: holds NaN or infinite values; the checkpoint is damaged.")


def _check_skip(skip: Sequence[str], own: _State) -> None:
    for prefix in skip:
        if not any(_starts(name, [prefix]) for name in own):
            raise UsageError(
                f"Nothing in the network is called {prefix!r}, to be skipped; it has {_parts(own)}."
            )


def _notice(path: Path, found: _State) -> str:
    if not any(name.split(".")[0] in _TRUNK for name in found):
        return ""
    _log.warning("%s: %s", path, INSIGHTFACE_NOTICE)
    return INSIGHTFACE_NOTICE


def _part(name: str) -> str:
    """Return the part of the network that an entry belongs to."""
    root = name.split(".")[0]
    return "backbone" if root in _TRUNK else root


def _parts(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(_part(name) for name in names)) or "none"


def _starts(name: str, prefixes: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)


def _shape(tensor: Tensor | None) -> str:
    if tensor is None:
        return "no such entry"
    return f"shape {'×'.join(map(str, tensor.shape)) or 'scalar'}"
