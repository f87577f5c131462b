"""Light on a head: coloured lamps, sky, highlights and darkness of hollows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba as nb
import numpy as np
from numpy.random import Generator

from autrt.types import F32, ShapedRepr, check_array

LAMP: Final = 12
"""Numbers of a lamp: direction 3, half vector 3, RGB 3, wrap, shininess, brightness of the highlight."""
FACING: Final = 0.4
"""Normals with a z above this count as facing the camera where brightness is measured."""
TURNED_AWAY: Final = -0.6
"""Vertices whose normal is below this are invisible, however near the lens and coarse the mesh."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Light(ShapedRepr):
    """Light of one picture, in the camera's frame: it does not turn with the head."""

    lamps: F32
    """(K, `LAMP`) float32."""
    ambient: F32
    """(3,) float32 RGB."""
    sky: float
    """Additional brightness of surfaces that face up."""
    hollow: float
    """Darkness of hollows, per cm."""
    exposure: float
    """Mean brightness of the face as a share of its albedo."""

    def __post_init__(self) -> None:
        check_array(self, "lamps", self.lamps, np.float32, (None, LAMP))
        check_array(self, "ambient", self.ambient, np.float32, (3,))


def fixed_light() -> Light:
    """Return one white lamp from above, without highlights."""
    lamp = _lamp(np.array([0.3, 0.4, 0.85]), np.full(3, 0.75), 0.0, 1.0, 0.0)
    return Light(
        lamps=np.array([lamp], np.float32),
        ambient=np.full(3, 0.35, np.float32),
        sky=0.0,
        hollow=0.0,
        exposure=0.9,
    )


def draw_light(rng: Generator) -> Light:
    """Draw one to three lamps of random place, colour, softness and gloss."""
    lamps: list[list[float]] = []
    for _ in range(rng.integers(1, 4)):
        direction = np.array([rng.normal(0, 0.8), rng.normal(0.25, 0.6), rng.uniform(0, 1)])
        rgb = rng.uniform(0.15, 1) * (1 + rng.normal(0, 0.08, 3))
        gloss = rng.uniform(0, 60) * float(rgb.mean()) * (rng.random() < 0.8)
        lamps.append(_lamp(direction, rgb, rng.uniform(0, 0.4), rng.uniform(8, 40), gloss))
    return Light(
        lamps=np.array(lamps, np.float32),
        ambient=(rng.uniform(0.12, 0.7) * (1 + rng.normal(0, 0.05, 3))).astype(np.float32),
        sky=rng.uniform(0, 0.4),
        hollow=rng.uniform(0, 6),
        exposure=rng.uniform(0.7, 1.1),
    )


def _lamp(direction: np.ndarray, rgb: np.ndarray, wrap: float, shininess: float, gloss: float) -> list[float]:
    direction = direction / (np.linalg.norm(direction) + 1e-6)
    half = direction + np.array([0, 0, 1])
    half = half / (np.linalg.norm(half) + 1e-6)
    return [*direction, *half, *rgb, wrap, shininess, gloss]


@nb.njit(cache=True, nogil=True)
def shade(
    albedo: F32, normals: F32, hollows: F32, lamps: F32, ambient: F32,
    sky: np.float32, hollow: np.float32, exposure: np.float32, face: int,
) -> F32:  # fmt: skip
    """Return the colours of a lit head, (V, 3) float32 RGB, 0…255 and above; vertices that face away stay black.

    The face's mean irradiance is scaled to `exposure`, as by a camera.

    Args:
        albedo: (V, 3) float32.
        normals: (V, 3) float32.
        hollows: (V,) float32 cm.
        lamps: (K, `LAMP`) float32.
        ambient: (3,) float32.
        sky: see `Light`.
        hollow: see `Light`.
        exposure: see `Light`.
        face: number of leading vertices that are the face, whose brightness is measured.
    """
    one = np.float32(1)
    out = np.zeros_like(albedo)
    total, count = np.float32(0), 0
    for v in range(len(albedo)):
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        if nz < TURNED_AWAY:
            continue
        up = one + sky * ny
        r, g, b, highlight = ambient[0] * up, ambient[1] * up, ambient[2] * up, np.float32(0)
        for k in range(len(lamps)):
            wrap = lamps[k, 9]
            lit = nx * lamps[k, 0] + ny * lamps[k, 1] + nz * lamps[k, 2] + wrap
            if lit > 0:
                lit /= one + wrap
                r += lit * lamps[k, 6]
                g += lit * lamps[k, 7]
                b += lit * lamps[k, 8]
            mirrored = nx * lamps[k, 3] + ny * lamps[k, 4] + nz * lamps[k, 5]
            if mirrored > 0.5 and lamps[k, 11] > 0:
                highlight += lamps[k, 11] * mirrored ** lamps[k, 10]
        if v < face and nz > FACING:
            total += (r + g + b) / np.float32(3)
            count += 1
        depth = min(np.float32(0.1), max(np.float32(-0.02), hollows[v] - np.float32(0.01)))
        open_ = min(np.float32(1.15), max(np.float32(0.4), one - hollow * depth))
        out[v, 0] = albedo[v, 0] * r * open_ + highlight
        out[v, 1] = albedo[v, 1] * g * open_ + highlight
        out[v, 2] = albedo[v, 2] * b * open_ + highlight
    gain = exposure / max(np.float32(0.25), total / np.float32(max(1, count)))
    return out * gain
