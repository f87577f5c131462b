"""Warping and compositing of pictures with transparency."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from autrt.face.align import apply
from autrt.types import F32, F64, U8

EDGE_PX: Final = 0.6
"""Softness of the edge between a rendered face and the background."""


def over(rgba: U8, behind: F32) -> F32:
    """Composite (H, W, 4) uint8 (straight alpha) over (H, W, 3) float32; edges are softened inwards."""
    alpha = rgba[..., 3].astype(np.float32)
    alpha = (np.minimum(alpha, cv2.GaussianBlur(alpha, (0, 0), EDGE_PX)) * np.float32(1 / 255))[..., None]
    return (behind + (rgba[..., :3].astype(np.float32) - behind) * alpha).astype(np.float32)


def warp_rgba(rgba: U8, matrix: F64, width_px: int, height_px: int) -> U8:
    """Warp a picture with straight alpha by a (2, 3) similarity; transparent outside.

    Bilinear with premultiplied alpha, so that transparent pixels add no colour; blurred first if it becomes much
    smaller.
    """
    scale = scale_of(matrix)
    lit = rgba.astype(np.float32)
    lit[..., :3] *= lit[..., 3:] * np.float32(1 / 255)
    if scale < 0.7:
        lit = cv2.GaussianBlur(lit, (0, 0), 0.4 / scale)
    lit = cv2.warpAffine(lit, matrix, (width_px, height_px), flags=cv2.INTER_LINEAR)
    lit[..., :3] *= 255 / np.maximum(lit[..., 3:], 1)
    return np.rint(np.clip(lit, 0, 255)).astype(np.uint8)


def paste(picture: F32, rgba: U8, matrix: F64) -> None:
    """Composite a square (S, S, 4) uint8 picture over (H, W, 3) float32, in place, by a (2, 3) similarity."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (len(rgba) - 1)
    corners = apply(matrix, corners)
    x0, y0 = np.clip(np.floor(corners.min(0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(0)) + 1, 0, (width, height)).astype(int)
    if x0 >= x1 or y0 >= y1:
        return
    local = matrix.copy()
    local[:, 2] -= (x0, y0)
    part = warp_rgba(rgba, local, int(x1 - x0), int(y1 - y0))
    picture[y0:y1, x0:x1] = over(part, picture[y0:y1, x0:x1])


def move_box(matrix: F64, box: F32) -> F32:
    """Transform a (4,) box by a (2, 3) similarity: the centre moves, the sides stay upright and scale."""
    centre = apply(matrix, np.asarray((box[:2] + box[2:]) / 2, np.float32))
    half = (box[2:] - box[:2]) / 2 * scale_of(matrix)
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def scale_of(matrix: F64) -> float:
    """Return the scale of a (2, 3) similarity."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
