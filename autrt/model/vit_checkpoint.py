"""Published checkpoints of vision transformers in the names and the size of `autrt.model.vit`.

Takes the names of timm, MAE and DINOv2, which are the network's own but for the register tokens, and those of
Hugging Face's transformers (`ViTModel`, `ViTMAEForPreTraining`, `Dinov2Model`, `Dinov2WithRegistersModel`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from autrt.errors import UsageError

_State = Mapping[str, Tensor]

_RENAMED: Final = (
    (r"^(?:vit|dinov2|dinov2_with_registers)\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\.", "blocks."),
    (r"^layernorm\.", "norm."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"^reg_token$", "register_tokens"),
)
"""Pattern → replacement, one after another: transformers' names, and timm's of the register tokens."""

_QKV: Final = re.compile(r"\.attention\.attention\.(query|key|value)\.(weight|bias)$")


def is_vit(own: _State) -> bool:
    """Return whether these are the entries of a `ViTNetwork`."""
    return "pos_embed" in own and "patch_embed.proj.weight" in own


def fitted(found: _State, own: _State) -> dict[str, Tensor]:
    """Return a checkpoint's entries with the names and the number of patches of the network.

    Position embeddings are interpolated bicubically, with antialiasing, to the network's patches. Values beside the
    backbone, such as a decoder's or a mask token, keep their names.

    Args:
        found: name → tensor, of a checkpoint.
        own: name → tensor, of the network.

    Raises:
        UsageError: the checkpoint has register tokens and the network has none.
    """
    named = _joined({_renamed(name): tensor for name, tensor in found.items()})
    if "pos_embed" in named:
        named["pos_embed"] = _resized(named["pos_embed"], own["pos_embed"].shape[1])
    if "register_tokens" in named and "register_tokens" not in own:
        count = named["register_tokens"].shape[1]
        raise UsageError(
            f"the checkpoint has {count} register_tokens, the network none: set network.change = "
            f"{{ registers = {count} }}"
        )
    return named


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _joined(state: _State) -> dict[str, Tensor]:
    """Join the three matrices of each attention into one."""
    rest = {name: tensor for name, tensor in state.items() if not _QKV.search(name)}
    for name in state:
        match = _QKV.search(name)
        if match and match[1] == "query":
            root, kind = name[: match.start()], match[2]
            parts = [
                state.get(f"{root}.attention.attention.{part}.{kind}") for part in ("query", "key", "value")
            ]
            if all(part is not None for part in parts):
                rest[f"{root}.attn.qkv.{kind}"] = torch.cat([part for part in parts if part is not None])
    return rest


def _resized(embedding: Tensor, tokens: int) -> Tensor:
    """Interpolate position embeddings (1, 1 + n², C) of a class token and n² patches to `tokens` in all."""
    side, wanted = isqrt(embedding.shape[1] - 1), isqrt(tokens - 1)
    if embedding.ndim != 3 or side**2 != embedding.shape[1] - 1 or side == wanted:
        return embedding
    grid = embedding[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, (wanted, wanted), mode="bicubic", antialias=True)
    patches = grid.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.cat([embedding[:, :1], patches.to(embedding)], 1)
