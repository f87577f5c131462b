"""Scaling of many pictures at once, as OpenCV scales one."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch
from torch import Tensor

from autrt.gpu.transfer import constant
from autrt.types import F32
from autrt.video.planar_image import HALVING_FROM


def scaled(samples: Tensor, width: int, height: int) -> Tensor:
    """Scale samples as `PlanarImage.resized` scales a plane: means by factors of two, then bilinear by the rest.

    Args:
        samples: uint8 (n, rows, columns, channels).
        width: columns of the result.
        height: rows of the result.

    Returns:
        float32 (n, height, width, channels) of whole numbers; now and then 1 off OpenCV's.
    """
    rows, columns = samples.shape[1:3]
    if rows <= 2 * height and columns <= 2 * width:
        return resampled(samples, width, height, cv2.INTER_LINEAR)
    if rows % 2 or columns % 2 or rows < HALVING_FROM * height or columns < HALVING_FROM * width:
        return resampled(samples, width, height, cv2.INTER_AREA)
    return scaled(halved(samples), width, height)


def resampled(samples: Tensor, width: int, height: int, method: int) -> Tensor:
    """Scale samples (n, rows, columns, channels) by one of OpenCV's methods; see `scaled` for the result."""
    n, rows, columns, channels = samples.shape
    averages = method == cv2.INTER_AREA and height <= rows and width <= columns
    down = constant(_weights(rows, height, method, averages), samples.device)
    across = constant(_weights(columns, width, method, averages), samples.device)
    lines = torch.matmul(down, samples.reshape(n, rows, -1).float())
    found = torch.matmul(across, lines.view(n, height, columns, channels))
    halves_up = method == cv2.INTER_LINEAR or (rows, columns) == (2 * height, 2 * width)  # elsewhere to even
    return found.add_(0.5).floor_() if halves_up else found.round_()


@cache
def _weights(length: int, target: int, method: int, averages: bool) -> F32:
    """Return float32 (target, length): what OpenCV takes of each sample for each result along an axis.

    Where one axis is enlarged, OpenCV's INTER_AREA does not average along the other either.
    """
    each = np.eye(length, dtype=np.float32)
    if method != cv2.INTER_AREA or averages:
        return cv2.resize(each, (length, target), interpolation=method)  # pyright: ignore[reportReturnType]
    return cv2.resize(each, (2 * length, target), interpolation=method)[:, ::2].copy()  # pyright: ignore[reportReturnType]


def halved(samples: Tensor) -> Tensor:
    """Return the means of 2×2 samples of uint8 (n, rows, columns, channels), both even, rounded as OpenCV does."""
    quarters = samples.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).sum((2, 4), dtype=torch.int16)
    return (quarters + 2).bitwise_right_shift_(2).to(torch.uint8)


def block_means(samples: Tensor, side: int) -> Tensor:
    """Return the means of side×side samples, by halves as long as that goes; rows and columns are multiples."""
    while side % 2 == 0:
        samples, side = halved(samples), side // 2
    if side == 1:
        return samples
    blocks = samples.unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return blocks.float().mean((2, 4)).round_().to(torch.uint8)
