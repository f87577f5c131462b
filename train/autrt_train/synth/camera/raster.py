"""Rasterisation of triangles with a depth buffer."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from autrt.types import F32, I32, U8


@nb.njit(cache=True, nogil=True)
def draw_triangles(points: F32, triangles: I32, colours: F32, rgba: U8, depth: F32) -> None:
    """Draw all triangles that face the camera, nearest first, into a picture.

    Args:
        points: (V, 3) float32: x, y in pixels (pixel centres at whole numbers), and depth, more is nearer.
        triangles: (T, 3) int32, clockwise in the picture as it is seen.
        colours: (V, 3) float32 RGB 0…255.
        rgba: (S, S, 4) uint8, drawn into.
        depth: (S, S) float32, drawn into; start with a very small number.
    """
    height, width = depth.shape
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= 0:
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2))), min(width - 1, math.floor(max(x0, x1, x2)))
        top, bottom = max(0, math.ceil(min(y0, y1, y2))), min(height - 1, math.floor(max(y0, y1, y2)))
        if left > right or top > bottom:
            continue
        scale = np.float32(1) / area
        z0, z1, z2 = points[a, 2], points[b, 2], points[c, 2]
        for y in range(top, bottom + 1):
            py = np.float32(y)
            for x in range(left, right + 1):
                px = np.float32(x)
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * scale
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * scale
                w2 = np.float32(1) - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * z0 + w1 * z1 + w2 * z2
                if z > depth[y, x]:
                    depth[y, x] = z
                    for k in range(3):
                        value = w0 * colours[a, k] + w1 * colours[b, k] + w2 * colours[c, k]
                        rgba[y, x, k] = np.uint8(min(np.float32(255), max(np.float32(0), value)) + 0.5)
                    rgba[y, x, 3] = 255


@nb.njit(cache=True, nogil=True)
def lay_over(rgba: U8, mask: U8, texture: F32, rgb: F32, behind: bool) -> None:
    """Blend a coloured shape over a picture, or behind it.

    Args:
        rgba: (S, S, 4) uint8, colours multiplied by alpha; drawn into.
        mask: (S, S) uint8: the shape's alpha.
        texture: (S, S) float32: brightness, around 1.
        rgb: (3,) float32 0…255.
        behind: only where the picture is transparent.
    """
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            if mask[y, x] == 0:
                continue
            alpha = mask[y, x] / np.float32(255)
            below = rgba[y, x, 3] / np.float32(255)
            own, old = (alpha * (1 - below), np.float32(1)) if behind else (alpha, 1 - alpha)
            for k in range(3):
                value = min(np.float32(255), max(np.float32(0), rgb[k] * texture[y, x]))
                rgba[y, x, k] = np.uint8(min(255.0, old * rgba[y, x, k] + own * value + 0.5))
            rgba[y, x, 3] = np.uint8(min(255.0, old * rgba[y, x, 3] + own * 255 + 0.5))


@nb.njit(cache=True, nogil=True)
def divide_by_alpha(rgba: U8) -> None:
    """Convert premultiplied colours to straight alpha, in place."""
    height, width = rgba.shape[:2]
    for y in range(height):
        for x in range(width):
            alpha = np.float32(rgba[y, x, 3])
            if 0 < alpha < 255:
                for k in range(3):
                    value = np.float32(255) * rgba[y, x, k] / alpha
                    rgba[y, x, k] = np.uint8(min(np.float32(255), value) + 0.5)
