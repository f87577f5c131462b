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

    Args:
        pictures: n tensors uint8 (height, width, 3), all on one device.
        matrices: float32 (n, 2, 3), a picture's pixels → crop pixels.
        size_px: side of the crops.
        colours: for each picture the float32 (3, 3) matrix to RGB, None where it is RGB; empty: all are RGB.

    Returns:
        uint8 (n, size_px, size_px, 3) on the pictures' device; within 1 grey level of OpenCV's.
    """
    device = pictures[0].device
    pixels = torch.cat([picture.reshape(-1, 3) for picture in pictures])
    heights, widths = (torch.tensor([p.shape[axis] for p in pictures], device=device) for axis in (0, 1))
    starts = (heights * widths).cumsum(0) - heights * widths
    x, y = _places(matrices, size_px, device)
    crops = torch.zeros((*x.shape, 3), device=device)
    for corner_x, share_x in _neighbours(x):
        for corner_y, share_y in _neighbours(y):
            width, height, start = (n[:, None, None] for n in (widths, heights, starts))
            inside = (corner_x >= 0) & (corner_x < width) & (corner_y >= 0) & (corner_y < height)
            place = torch.where(inside, start + corner_y * width + corner_x, 0)
            crops += (share_x * share_y * inside)[..., None] * pixels[place]
    if any(colour is not None for colour in colours):
        to_rgb = np.stack([np.eye(3, dtype=np.float32) if colour is None else colour for colour in colours])
        crops = torch.einsum("nyxc,ndc->nyxd", crops, torch.from_numpy(to_rgb).to(device))
    return crops.round_().clamp_(0, 255).to(torch.uint8)


def _places(matrices: F32, size_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x and y, float32 (n, size_px, size_px), of each crop pixel in its picture."""
    back = torch.from_numpy(invert(matrices.astype(np.float64)).astype(np.float32)).to(device)
    along = torch.arange(size_px, device=device, dtype=torch.float32)
    a, b, c = (back[:, :, i, None, None] for i in range(3))
    places = a * along + b * along[:, None] + c
    return places[:, 0], places[:, 1]


def _neighbours(place: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the samples before and after a place, and the weight of each."""
    before = place.floor()
    after = place - before
    return [(before.long(), 1 - after), (before.long() + 1, after)]
