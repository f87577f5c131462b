"""Masks of facial regions on the neutral mesh: vertex weights 0…1, and distances in cm.

Places are ICT-FaceKit's: the eyes at (±3.15, 3.35), the nose's tip near (0, 0.4, 13), the mouth's corners at
(±2.5, −3.5), the chin at y −7.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike

from autrt.types import F32, I64, Bool
from autrt_train.synth.rig.rig import Rig


@dataclass(frozen=True, eq=False, kw_only=True)
class Masks:
    """Arrays of (F,) float32 over the face's vertices, unless stated otherwise."""

    x: F32
    """Coordinates in cm."""
    y: F32
    lips: F32
    upper_lid_cm: F32
    """Distance from the upper lids' rims."""
    lower_lid_cm: F32
    eye_shadow: F32
    bags: F32
    """Below the eyes."""
    nasolabial: F32
    """Furrows from the nose to the mouth's corners."""
    marionette: F32
    """Furrows from the mouth's corners down."""
    forehead: F32
    inner_forehead: F32
    outer_forehead: F32
    glabella: F32
    """Upright furrows between the brows."""
    crow_feet: F32
    bunny_lines: F32
    """On the sides of the nose's root."""
    chin: F32
    """The dimpled ball of the chin."""
    cheeks: F32
    """Regions of blush: cheeks and the nose's tip."""
    moustache: F32
    goatee: F32
    jaw: F32
    """Region of a full beard."""
    bare_cheek: I64
    """Rows of vertices of bare cheek skin."""


@lru_cache(maxsize=2)
def masks_of(rig: Rig) -> Masks:
    """Compute the masks of a rig."""
    points = rig.neutral[rig.parts.of("face")]
    x, y, z = points.T
    lips = _lips(rig, points)
    beard_free = (lips < 0.3).astype(np.float32)
    cheeks = _bell((np.abs(x) - 4) ** 2 + (y + 0.3) ** 2, 3.5) + _bell(x**2 + (y - 0.3) ** 2, 1.2)
    goatee = _rise((-4.5 - y) / 0.15) * _rise((2.6 - np.abs(x)) / 0.2) * beard_free
    cheek_line = _rise((-(y + 3.0) + 0.55 * (np.abs(x) - 4.6)) / 0.35)
    full_beard = cheek_line * _rise((1.5 - y) / 0.3) * _rise((np.abs(x) - 2.3) / 0.2) * beard_free
    upper_lid = landmark_distance(rig, points, (36, 37, 38, 39), (42, 43, 44, 45))
    forehead = _rise((y - 6.9) / 0.25) * np.exp(-np.square(np.maximum(0, y - 10)))
    arrays = {
        "x": x,
        "y": y,
        "lips": lips,
        "upper_lid_cm": upper_lid,
        "lower_lid_cm": landmark_distance(rig, points, (39, 40, 41, 36), (45, 46, 47, 42)),
        "eye_shadow": np.clip(1 - upper_lid / 1.3, 0, 1) * (y > 3.4),
        "bags": _furrow(points, [(1.9, 2.5, 9.4), (3.1, 1.9, 9.6), (4.6, 2.4, 8.4)], 0.35),
        "nasolabial": _furrow(
            points, [(1.35, -0.4, 10.6), (2.3, -1.6, 10.6), (3.2, -3.2, 10.0), (3.3, -4.3, 9.6)], 0.28
        ),
        "marionette": _furrow(points, [(2.7, -3.8, 10.0), (3.0, -5.4, 9.6)], 0.28),
        "forehead": forehead,
        "inner_forehead": forehead * np.exp(-((x / 2.6) ** 4)),
        "outer_forehead": forehead * np.exp(-(((np.abs(x) - 4.2) / 1.8) ** 4)),
        "glabella": _bell(np.abs(x) - 0.55, 0.18, 2) * np.exp(-(((y - 5.4) / 1.1) ** 4)),
        "crow_feet": _crow_feet(x, y),
        "bunny_lines": _bell(np.abs(x) - 0.9, 0.35, 2) * _bell(y - 2.6, 0.7, 2) * (0.5 + 0.5 * np.cos(9 * y)),
        "chin": _bell(x**2 + (y + 6.0) ** 2, 1.2) * (z > 8),
        "cheeks": cheeks,
        "moustache": _bell(np.maximum(0, np.abs(x) - 2.2) ** 2, 0.2)
        * _rise((-1.4 - y) / 0.1)
        * _rise((y + 3.5) / 0.15)
        * (z > 8)
        * beard_free,
        "goatee": goatee,
        "jaw": np.maximum(full_beard, goatee),
    }
    as_f32 = {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
    plain = (np.abs(np.abs(x) - 4) < 1.2) & (np.abs(y + 0.3) < 1.2)
    return Masks(**as_f32, bare_cheek=np.flatnonzero(plain))


def path_distance(points: F32, path: F32) -> F32:
    """Return the distances of (N, 3) points from a line through (K, 3) points, (N,) float32."""
    nearest = np.full(len(points), np.inf, np.float32)
    for a, b in pairwise(path):
        way = b - a
        share = np.clip((points - a) @ way / max(1e-9, float(way @ way)), 0, 1)[:, None]
        nearest = np.minimum(nearest, np.linalg.norm(points - (a + share * way), axis=1))
    return nearest.astype(np.float32)


def landmark_distance(rig: Rig, points: F32, *paths: tuple[int, ...]) -> F32:
    """Return each point's distance from the nearest of some lines through landmarks, (N,) float32."""
    ways = [path_distance(points, rig.neutral[rig.landmarks[list(path)]]) for path in paths]
    return np.minimum.reduce(ways)


def _lips(rig: Rig, points: F32) -> F32:
    outer, inner = (*range(48, 60), 48), (*range(60, 68), 60)
    distance = landmark_distance(rig, points, outer, inner)
    lips = np.clip(1.15 - distance / 0.35, 0, 1)
    lips[_inside(rig, points, outer) & (points[:, 2] > 8) & (distance < 1.0)] = 1
    return lips.astype(np.float32)


def _inside(rig: Rig, points: F32, outline: tuple[int, ...]) -> Bool:
    """Return True for points within a closed line of landmarks, seen from the front."""
    polygon = rig.neutral[rig.landmarks[list(outline)], :2].reshape(-1, 1, 2)
    return np.array([cv2.pointPolygonTest(polygon, (float(p[0]), float(p[1])), False) >= 0 for p in points])


def _furrow(points: F32, path: ArrayLike, width_cm: float) -> F32:
    """Return the mask of a furrow along a line on either side of the face."""
    left = np.asarray(path, np.float32)
    right = left * np.array([-1, 1, 1], np.float32)
    distance = np.minimum(path_distance(points, left), path_distance(points, right))
    return _bell(distance, width_cm, 2)


def _bell(value: F32, width: float, power: int = 1) -> F32:
    return np.exp(-((value / width) ** power)).astype(np.float32)


def _rise(value: F32) -> F32:
    return (1 / (1 + np.exp(np.clip(-value, -50, 50)))).astype(np.float32)


def _crow_feet(x: F32, y: F32) -> F32:
    """Return the mask of lines that fan out from the outer corner of the eye."""
    angle = np.arctan2(y - 3.3, np.abs(x) - 3.6)
    fan = (0.5 + 0.5 * np.cos(14 * angle)) ** 2
    return (fan * np.exp(-((np.hypot(np.abs(x) - 5.6, y - 3.3) / 0.8) ** 4))).astype(np.float32)
