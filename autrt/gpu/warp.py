"""Aligned crops of many pictures at once by torch, as OpenCV's `warpAffine` would draw them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from autrt.face.align import invert
from autrt.types import F32


def warp(
    pictures: Sequence[Tensor], matrices: F32, size_px: int, colours: Sequence[F32 | None] = ()
) -> Tensor:
    """Sample pictures of any sizes through their matrices, bilinear, black outside.

    The number of torch's operations does not depend on that of the pictures.

    Args:
        pictures: n tensors uint8 (height, width, 3), all on one device.
        matrices: float32 (n, 2, 3), a picture's pixels → crop pixels.
        size_px: side of the crops.
        colours: for each picture the float32 (3, 4) matrix to RGB, None where it is RGB; empty: all are RGB. It is
            applied before values are limited to 0…255.

    Returns:
        uint8 (n, size_px, size_px, 3) on the pictures' device; within 1 grey level of OpenCV's.
    """
    device = pictures[0].device
    pixels = torch.cat([picture.reshape(-1, 3) for picture in pictures])
    places = _places(matrices, size_px, device)
    before = places.floor()
    after = places - before
    share = torch.stack([1 - after, after])  # (2 neighbours, n, x and y, places)
    corner = torch.stack([before, before + 1])
    size = torch.tensor([picture.shape[1::-1] for picture in pictures], device=device)[None, :, :, None]
    covered = (share * ((corner >= 0) & (corner < size))).sum(0).prod(1)[..., None]
    corner = torch.minimum(corner.clamp_(min=0).long(), size - 1)
    start = torch.tensor([0, *(p.shape[0] * p.shape[1] for p in pictures[:-1])], device=device).cumsum(0)
    rows = corner[:, :, 1] * size[:, :, 0] + start[None, :, None]
    place = rows[:, None] + corner[None, :, :, 0]  # (2 in y, 2 in x, n, places)
    weight = share[:, None, :, 1] * share[None, :, :, 0]
    crops = torch.einsum("yxnp,yxnpc->npc", weight, pixels[place].float())
    if any(colour is not None for colour in colours):
        to_rgb = np.stack(
            [np.eye(3, 4, dtype=np.float32) if colour is None else colour for colour in colours]
        )
        matrix = torch.from_numpy(to_rgb).to(device)
        crops = torch.baddbmm(matrix[:, None, :, 3], crops, matrix[:, :, :3].transpose(1, 2)).clamp_(0, 255)
    return (crops * covered).round_().to(torch.uint8).unflatten(1, (size_px, size_px))


def _places(matrices: F32, size_px: int, device: torch.device) -> Tensor:
    """Return x and y, float32 (n, 2, size_px · size_px), of each crop pixel in its picture, row by row."""
    back = torch.from_numpy(invert(matrices.astype(np.float64)).astype(np.float32)).to(device)
    y, x = np.mgrid[:size_px, :size_px].reshape(2, -1).astype(np.float32)
    return back @ torch.from_numpy(np.stack([x, y, np.ones_like(x)])).to(device)
