"""Aligned crops of many pictures at once by torch, as OpenCV's `warpAffine` would draw them."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from autrt.face.align import invert
from autrt.gpu.pictures import DevicePlane, Pictures
from autrt.gpu.transfer import constant, to_device
from autrt.types import F32, I64

TOGETHER: Final = 256
"""Crops that are warped at once: about 1.5 MB each meanwhile."""


def warp(pictures: Pictures, index: I64, sizes: I64, matrices: F32, size_px: int) -> Tensor:
    """Sample pictures through matrices, bilinear, black outside; colour comes before values are limited.

    The number of torch's operations does not depend on that of the crops (up to `TOGETHER`), and one small copy
    goes to the device.

    Args:
        pictures: pictures.
        index: int64 (F,) the picture of each crop.
        sizes: int64 (F, 2) width and height of it; see `Pictures.cut`.
        matrices: float32 (F, 2, 3), the picture's pixels → crop pixels.
        size_px: side of the crops.

    Returns:
        uint8 (F, size_px, size_px, 3) RGB on the pictures' device; within 1 grey level of OpenCV's for packed
        pixels, within 3 for planes.
    """
    back = invert(matrices.astype(np.float64)).reshape(-1, 6)
    geometry = np.concatenate([back, sizes, index[:, None]], axis=1).astype(np.float32)
    placed = to_device(geometry, pictures.device)
    parts = [_warped(pictures, part, size_px) for part in placed.split(TOGETHER)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _warped(pictures: Pictures, geometry: Tensor, size_px: int) -> Tensor:
    places = geometry[:, :6].view(-1, 2, 3) @ constant(_grid(size_px), geometry.device)
    size, index = geometry[:, 6:8, None], geometry[:, 8:].long()
    crops = pictures.to_rgb([_sampled(plane, places, size, index) for plane in pictures.planes])
    covered = torch.minimum(places + 1, size - places).clamp_(0, 1).prod(1)[..., None]
    crops = crops.clamp_(0, 255).mul_(covered).round_().to(torch.uint8)
    return crops.unflatten(1, (size_px, size_px))


@cache
def _grid(size_px: int) -> F32:
    """Return x, y and 1 of each crop pixel, float32 (3, size_px · size_px), row by row."""
    y, x = np.mgrid[:size_px, :size_px].reshape(2, -1).astype(np.float32)
    return np.stack([x, y, np.ones_like(x)])


def _sampled(plane: DevicePlane, places: Tensor, size: Tensor, index: Tensor) -> Tensor:
    """Return a plane's values at places of its pictures, float32 (F, places, channels); its edge goes on outside.

    Args:
        plane: the plane.
        places: float32 (F, x and y, places) in pixels.
        size: float32 (F, 2, 1) width and height of the pictures in pixels.
        index: int64 (F, 1) the pictures.
    """
    if plane.step != (1, 1) or plane.first != (0.0, 0.0):
        step = constant(np.array(plane.step, np.float32)[:, None], places.device)
        places = (places - constant(np.array(plane.first, np.float32)[:, None], places.device)) / step
        size = (size / step).ceil()
    places = torch.minimum(places.clamp(min=0), size - 1)
    before = places.floor()
    share = (places - before)[..., None]
    x, y = torch.stack([before, places.ceil()]).long().unbind(2)  # (2 neighbours, F, places) each
    rows, columns = plane.samples.shape[1:3]
    place = ((index * rows + y) * columns)[:, None] + x[None]
    corners = plane.samples.reshape(-1, plane.samples.shape[3])[place].float()
    lines = torch.lerp(corners[0], corners[1], share[:, 1])
    return torch.lerp(lines[0], lines[1], share[:, 0])


def upsampled(pictures: Pictures) -> Tensor:
    """Return whole pictures as uint8 (n, height, width, 3) RGB; chroma is interpolated."""
    height, width = pictures.height, pictures.width
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
    places = constant(np.stack([x, y]), pictures.device).expand(len(pictures), -1, -1)
    size = constant(np.array([[[width], [height]]], np.float32), pictures.device)
    index = torch.arange(len(pictures), device=pictures.device)[:, None]
    planes = [_sampled(plane, places, size, index) for plane in pictures.planes]
    return pictures.coloured(planes).unflatten(1, (height, width))
