"""Import of checkpoints into a network: every part whole or not at all, and a report of what was carried over.

Checkpoints come from face recognition (insightface's iresnet, such as Glint360K's backbone.pth) or from this
project's own training.
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

_log = logging.getLogger(__name__)

INSIGHTFACE_NOTICE: Final = (
    "Face-recognition weights published by insightface, Glint360K's among them, are licensed for non-commercial "
    "research only; so is what is trained from them."
)

_TRUNK: Final = frozenset({"conv1", "bn1", "prelu", "layer1", "layer2", "layer3", "layer4", "bn2"})
"""First name parts of insightface's iresnet without its fully connected layer."""

_State = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. Names are those of the state dicts."""

    source: Path
    matched: tuple[str, ...]
    """Entries of the network that now hold the checkpoint's values."""
    left: tuple[str, ...]
    """Entries of the checkpoint that this network has no use for, or that were skipped."""
    fresh: tuple[str, ...]
    """Entries of the network that keep the values they had."""
    notice: str
    """What the licence of such weights asks for; empty where nothing is known."""

    def __str__(self) -> str:
        lines = [
            f"{self.source}: {len(self.matched)} entries matched ({_parts(self.matched)})",
            f"left in the checkpoint: {len(self.left)} ({_parts(self.left)})",
            f"kept as they were in the network: {len(self.fresh)} ({_parts(self.fresh)})",
        ]
        return "\n".join([*lines, self.notice] if self.notice else lines)


def import_checkpoint(network: nn.Module, path: Path, skip: Sequence[str] = ()) -> ImportReport:
    """Copy a checkpoint's weights into `network`.

    A part of the network (the backbone as a whole, else a direct child such as `neck` or `au`) that the
    checkpoint has anything for must match in every name and shape. Other parts keep their values, and what only
    the checkpoint has is left. insightface's names find their place in a full network's backbone and, where its
    head is plain, its `fc` and `features` too. For such weights the licence notice is logged as a warning.

    Args:
        network: takes the values; unchanged if anything is refused.
        path: file written by torch.save.
        skip: names of the network, or leading parts of names, to keep as they are, e.g. `("au",)` when the AUs
            differ.

    Raises:
        UsageError: the file is no checkpoint, holds nothing for this network, or differs from it; the message
            names the first mismatch with both shapes.
    """
    own = cast("_State", network.state_dict())
    found = read_state_dict(path)
    _check_skip(skip, own)
    places = {theirs: _own_name(theirs, own) for theirs in found}
    offered = {name: found[theirs] for theirs, name in places.items() if not _starts(name, skip)}
    _check(path, offered, {name: tensor for name, tensor in own.items() if not _starts(name, skip)})
    matched = {name: tensor for name, tensor in offered.items() if name in own}
    network.load_state_dict(matched, strict=False)
    return ImportReport(
        source=path,
        matched=tuple(matched),
        left=tuple(theirs for theirs, name in places.items() if name not in matched),
        fresh=tuple(name for name in own if name not in matched),
        notice=_notice(path, found),
    )


def _own_name(name: str, own: _State) -> str:
    """What `name` is called in the network: insightface's names in a full network, its own otherwise."""
    root, _, rest = name.partition(".")
    if name in own or "backbone.conv1.weight" not in own:
        return name
    if root in _TRUNK:
        return f"backbone.{name}"
    if "embed.fc.weight" in own and root in ("fc", "features"):
        return f"embed.fc.{rest}" if root == "fc" else f"norm.{rest}"
    return name


def _check(path: Path, offered: _State, own: _State) -> None:
    """Refuse unless every part that both have is the same in names and shapes."""
    shared = {_part(name) for name in offered} & {_part(name) for name in own}
    if not shared:
        raise UsageError(
            f"{path}: holds nothing for this network. It has entries such as {', '.join(list(offered)[:3])}; the "
            f"network expects such as {', '.join(list(own)[:3])}."
        )
    names = dict.fromkeys(name for name in (*offered, *own) if _part(name) in shared)
    for name in names:
        # Checkpoints older than PyTorch 0.4.1 count no batches, and nothing here uses the count.
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
