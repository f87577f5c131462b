"""Compiled loops over a head's vertices: expressions, rotation, normals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numba as nb
import numpy as np

from autrt.types import F32, I32, I64
from autrt_train.synth.rig.rig import Rig

STILL_CM: Final = 1e-3
"""Vertices that a shape at weight 1 moves by less than this are left out of it."""


@dataclass(frozen=True, eq=False)
class SparseShapes:
    """The rig's shapes without the vertices that they leave unmoved."""

    starts: I64
    """(E + 1,) first row of each shape."""
    rows: I32
    """(M,) vertex numbers."""
    deltas: F32
    """(M, 3) cm."""


@lru_cache(maxsize=2)
def sparse_shapes(rig: Rig) -> SparseShapes:
    """Return the shapes of a rig in the form of `apply_shapes`."""
    deltas = rig.expression_deltas
    moving = np.abs(deltas).max(2) > STILL_CM
    starts = np.concatenate([[0], np.cumsum(moving.sum(1))]).astype(np.int64)
    return SparseShapes(starts, np.nonzero(moving)[1].astype(np.int32), np.ascontiguousarray(deltas[moving]))


@nb.njit(cache=True, nogil=True)
def apply_shapes(shape: F32, weights: F32, starts: I64, rows: I32, deltas: F32) -> F32:
    """Return a head's vertices in an expression, (V, 3) float32."""
    out = shape.copy()
    for e in range(len(weights)):
        w = weights[e]
        if w == 0:
            continue
        for m in range(starts[e], starts[e + 1]):
            v = rows[m]
            for c in range(3):
                out[v, c] += w * deltas[m, c]
    return out


@nb.njit(cache=True, nogil=True)
def rotate(points: F32, rotation: F32) -> F32:
    """Rotate points by a (3, 3) rotation; return (V, 3) float32."""
    out = np.empty_like(points)
    for v in range(len(points)):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        for c in range(3):
            out[v, c] = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z
    return out


@nb.njit(cache=True, nogil=True)
def normals_and_hollows(points: F32, triangles: I32) -> tuple[F32, F32]:
    """Return unit normals and the depth of hollows.

    Args:
        points: (V, 3) float32 cm.
        triangles: (T, 3) int32.

    Returns:
        (V, 3) float32 normals, and (V,) float32 cm: height of the mean of a vertex's neighbours above it,
        along the normal.
    """
    normals = np.zeros_like(points)
    sums = np.zeros_like(points)
    count = np.zeros(len(points), np.float32)
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
        cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
        ux, uy, uz = bx - ax, by - ay, bz - az
        vx, vy, vz = cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        sx, sy, sz = ax + bx + cx, ay + by + cy, az + bz + cz
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
            sums[i, 0] += sx
            sums[i, 1] += sy
            sums[i, 2] += sz
            count[i] += np.float32(1)
    hollows = np.zeros(len(points), np.float32)
    for v in range(len(points)):
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9)
        for c in range(3):
            normals[v, c] /= length
            if count[v] > 0:
                # Each triangle's sum contains the vertex itself once and two neighbours.
                mean = (sums[v, c] - count[v] * points[v, c]) / (np.float32(2) * count[v])
                hollows[v] += (mean - points[v, c]) * normals[v, c]
    return normals, hollows
