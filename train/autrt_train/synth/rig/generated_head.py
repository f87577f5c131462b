"""A small generated head that replaces a face rig in tests: no download, and rendered in a millisecond or two.

It has the parts, landmarks and shapes of the real rig at about the same places, made of half ellipsoids, flat
patches and smooth bumps. It is not suited for training models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, I32
from autrt_train.synth.rig.generated_shapes import shape_deltas
from autrt_train.synth.rig.parts import Parts, inside_mouth
from autrt_train.synth.rig.rig import REQUIRED_SHAPES, Rig

F64Array = NDArray[np.float64]

GRID_CM: Final = 1 / 3
CENTRE_Y: Final = 1.5
HALF_WIDTH, HALF_HEIGHT, FRONT_CM, BACK_CM = 9.0, 12.0, 11.0, 9.0
NARROW: Final = 0.85
"""Radius of the narrow face in the ellipse of the whole face."""
LIPS_Y, MOUTH_HALF_WIDTH, LIP_REST_CM = -3.5, 2.3, 0.003
EYE_X, EYE_Y, EYE_HALF_WIDTH, EYE_HALF_HEIGHT, EYEBALL_CM, EYEBALL_Z = 3.15, 3.4, 1.35, 0.5, 1.6, 8.5
IDENTITIES: Final = 8
UNUSED_SHAPES: Final = ("PupilDilate_L", "PupilDilate_R")


@dataclass
class _Builder:
    """Collects parts: points, and triangles that count from each part's first point."""

    points: list[F64Array] = field(default_factory=list[F64Array])
    triangles: list[NDArray[np.int64]] = field(default_factory=list[NDArray[np.int64]])
    ends: list[int] = field(default_factory=list[int])

    def add(self, points: F64Array, triangles: NDArray[np.int64]) -> None:
        self.triangles.append(triangles + (self.ends[-1] if self.ends else 0))
        self.points.append(points)
        self.ends.append((self.ends[-1] if self.ends else 0) + len(points))


def generated_rig(seed: int = 0) -> Rig:
    """Return a generated head of some four thousand vertices; `seed` varies its identity shapes."""
    builder = _Builder()
    face, face_triangles, narrow = _face()
    builder.add(face, face_triangles)
    builder.add(*_back())
    builder.add(*_patch((0, LIPS_Y, 7.5), (3.0, 2.5), 6))
    builder.add(*_two_eyes(*_patch((EYE_X, EYE_Y, 7.5), (1.6, 1.2), 4)))
    builder.add(*_patch((0, LIPS_Y - 1.5, 8.4), (1.8, 0.8), 5))
    builder.add(*_patch((0, LIPS_Y, 8.8), (1.9, 0.7), 6))
    for side in (1.0, -1.0):
        points, triangles = _eyeball()
        builder.add(points + np.array([side * EYE_X, EYE_Y, EYEBALL_Z]), triangles)
    parts = Parts(narrow, *builder.ends)
    neutral = np.concatenate(builder.points).astype(np.float32)
    triangles = np.concatenate(builder.triangles).astype(np.int32)
    inside = inside_mouth(parts)[triangles].all(1)
    names = tuple(sorted([*REQUIRED_SHAPES, *UNUSED_SHAPES]))
    return Rig(
        neutral=neutral,
        triangles=np.concatenate([triangles[~inside], triangles[inside]]),
        outer_triangles=int((~inside).sum()),
        expression_names=names,
        expression_deltas=np.stack([shape_deltas(name, neutral, parts) for name in names]),
        identity_deltas=_identities(seed, neutral),
        landmarks=_landmarks(neutral[:narrow]),
        parts=parts,
    )


def _face() -> tuple[F64Array, NDArray[np.int64], int]:
    """Return a half ellipsoid with a nose, slits for eyes and mouth; the narrow face comes first."""
    across = np.arange(-HALF_WIDTH, HALF_WIDTH + GRID_CM, GRID_CM)
    up = LIPS_Y + GRID_CM * (np.arange(-21, 51) + 0.5)  # the lips part between two rows
    x, y = (grid.ravel() for grid in np.meshgrid(across, up))
    triangles = _grid_triangles(len(up), len(across))
    radius = np.hypot(x / HALF_WIDTH, (y - CENTRE_Y) / HALF_HEIGHT)
    x_mid, y_mid = x[triangles].mean(1), y[triangles].mean(1)
    eyes = np.hypot((np.abs(x_mid) - EYE_X) / EYE_HALF_WIDTH, (y_mid - EYE_Y) / EYE_HALF_HEIGHT) < 1
    mouth = (np.abs(x_mid) < MOUTH_HALF_WIDTH) & (np.abs(y_mid - LIPS_Y) < GRID_CM / 2)
    triangles = triangles[(radius[triangles] < 1).all(1) & ~eyes & ~mouth]
    lips = (np.abs(x) < MOUTH_HALF_WIDTH) & (np.abs(y - LIPS_Y) < 0.6 * GRID_CM)
    y = np.where(lips, LIPS_Y + np.where(y > LIPS_Y, LIP_REST_CM, -LIP_REST_CM), y)
    z = FRONT_CM * np.sqrt(np.maximum(0, 1 - (x / HALF_WIDTH) ** 2 - ((y - CENTRE_Y) / HALF_HEIGHT) ** 2))
    z += 2.6 * np.exp(-(x**2) / 0.9 - (y - 0.4) ** 2 / np.where(y > 0.4, 5.0, 0.8))
    order = np.argsort(radius >= NARROW, kind="stable")
    order = order[radius[order] < 1]
    number = np.full(len(x), -1)
    number[order] = np.arange(len(order))
    return np.stack([x, y, z], 1)[order], number[triangles], int((radius < NARROW).sum())


def _back() -> tuple[F64Array, NDArray[np.int64]]:
    """Return the back half of the head, and a little more."""
    around, deep = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(-0.2, 0.5 * np.pi, 8))
    points = np.stack(
        [
            HALF_WIDTH * np.cos(around) * np.cos(deep),
            CENTRE_Y + HALF_HEIGHT * np.sin(around) * np.cos(deep),
            -BACK_CM * np.sin(deep),
        ],
        axis=-1,
    )
    return points.reshape(-1, 3), _grid_triangles(8, 25)[:, ::-1]


def _eyeball() -> tuple[F64Array, NDArray[np.int64]]:
    """Return the front of a sphere around the origin."""
    around, out = np.meshgrid(np.linspace(0, 2 * np.pi, 21), np.linspace(0, 0.5 * np.pi, 14))
    points = EYEBALL_CM * np.stack(
        [np.cos(around) * np.sin(out), np.sin(around) * np.sin(out), np.cos(out)], axis=-1
    )
    return points.reshape(-1, 3), _grid_triangles(14, 21)[:, ::-1]


def _patch(
    centre: tuple[float, float, float], half: tuple[float, float], steps: int
) -> tuple[F64Array, NDArray[np.int64]]:
    """Return a flat rectangle that faces the front."""
    x, y = np.meshgrid(np.linspace(-half[0], half[0], steps), np.linspace(-half[1], half[1], steps))
    points = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3) + np.array(centre)
    return points, _grid_triangles(steps, steps)


def _two_eyes(points: F64Array, triangles: NDArray[np.int64]) -> tuple[F64Array, NDArray[np.int64]]:
    mirrored = points * np.array([-1, 1, 1])
    return np.concatenate([points, mirrored]), np.concatenate([triangles, triangles[:, ::-1] + len(points)])


def _grid_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    """Return triangles of a grid whose columns run to the right and rows up, seen from the front."""
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    both = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    return both.reshape(-1, 3)


def _identities(seed: int, neutral: F32) -> F32:
    """Return smooth random changes of the head's shape."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, 0.12, (IDENTITIES, 3, 3))
    phases = rng.uniform(0, 2 * np.pi, (IDENTITIES, 1, 3))
    return (0.25 * np.cos(neutral[None].astype(np.float64) @ waves + phases)).astype(np.float32)


def _landmarks(points: F32) -> I32:
    """Return the vertices nearest to Multi-PIE's points, seen from the front."""
    jaw = [(7.4 * np.sin(t), 3.7 - 11.2 * np.cos(t)) for t in np.linspace(-0.5 * np.pi, 0.5 * np.pi, 17)]
    brow = [(5.8, 5.3), (4.9, 6.0), (3.8, 6.3), (2.4, 6.2), (1.2, 5.9)]
    nose = [(0, 3.7), (0, 2.6), (0, 1.6), (0, 0.4)] + [(x, -1.15) for x in (-1.25, -0.6, 0, 0.6, 1.25)]
    lids = [(4.5, 3.4), (3.8, 4.0), (2.8, 4.0), (1.8, 3.4), (2.8, 2.9), (3.8, 2.9)]
    upper = [(-2.5, -3.5), (-1.7, -2.8), (-0.7, -2.45), (0, -2.5), (0.7, -2.45), (1.7, -2.8), (2.5, -3.5)]
    lower = [(1.8, -4.1), (1.0, -4.3), (0, -4.4), (-1.0, -4.3), (-1.8, -4.1)]
    inner = [
        (-2.2, -3.4),
        (-1, -3.47),
        (0, -3.47),
        (1, -3.47),
        (2.2, -3.4),
        (1, -3.53),
        (0, -3.53),
        (-1, -3.53),
    ]
    right_brow, right_lids = [(-x, y) for x, y in brow], [(-x, y) for x, y in lids]
    left_lids = [lids[k] for k in (3, 2, 1, 0, 5, 4)]
    places = np.array(
        [*jaw, *right_brow, *brow[::-1], *nose, *right_lids, *left_lids, *upper, *lower, *inner], np.float32
    )
    distance = np.linalg.norm(places[:, None] - points[None, :, :2], axis=2)
    return distance.argmin(1).astype(np.int32)
