"""Hair around and in front of the face: behind the head, beside the face, a fringe, single strands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator

from autrt.types import F32, U8
from autrt_train.synth.camera.lines import draw_line, fill_outline
from autrt_train.synth.camera.pinhole import Pinhole
from autrt_train.synth.camera.raster import lay_over

WORN: Final = 0.6
"""Probability of such hair."""
ROUNDING: Final = 2
"""Number of corner-cutting passes over an outline."""
BLUR_MIN_PX: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A flat patch of hair."""

    outline: F32
    """(K, 3) float32 cm of the head's frame."""
    tone: float
    """Brightness relative to the person's hair."""
    contrast: float
    """Contrast between light and dark hairs."""
    hairs: int
    """Number of lighter and darker hairs across the picture."""
    blur_cm: float
    behind: bool
    """Behind the head instead of in front of it."""


@dataclass(frozen=True, slots=True)
class Strand:
    """A thin bunch of hairs: a curve through three points."""

    points: F32
    """(3, 3) float32 cm: root, control point and tip of a quadratic Bézier curve."""
    tone: float
    thickness_cm: float


@dataclass(frozen=True, slots=True)
class Hair:
    """All hair that is not painted on the scalp, from back to front."""

    locks: tuple[Lock, ...] = ()
    strands: tuple[Strand, ...] = ()


def draw_hair(rng: Generator) -> Hair:
    """Draw random hair, or none."""
    if rng.random() >= WORN:
        return Hair()
    locks: list[Lock] = []
    if rng.random() < 0.7:
        locks.append(_mass(rng))
    if rng.random() < 0.4:
        locks += _curtains(rng)
    if rng.random() < 0.2:
        locks.append(_fringe(rng))
    return Hair(tuple(locks), _strands(rng) if rng.random() < 0.2 else ())


def _mass(rng: Generator) -> Lock:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    centre, width, top = 3 + rng.uniform(-3, 3), rng.uniform(8.2, 11), 14 + rng.uniform(0, 3)
    outline = np.stack([width * np.cos(angle), centre + (top - centre) * np.sin(angle), 0 * angle], 1)
    return Lock(
        outline=outline.astype(np.float32),
        tone=rng.uniform(0.5, 1.1),
        contrast=0.25,
        hairs=64,
        blur_cm=0.05,
        behind=True,
    )


def _lock(rng: Generator, outline: list[tuple[float, float, float]]) -> Lock:
    return Lock(
        outline=_rounded(np.array(outline, np.float32)),
        tone=rng.uniform(0.5, 1.3),
        contrast=rng.uniform(0.05, 0.3),
        hairs=int(rng.integers(24, 90)),
        blur_cm=rng.uniform(0.05, 0.24),
        behind=False,
    )


def _curtains(rng: Generator) -> list[Lock]:
    """Draw long hair beside the face, parted somewhere on the forehead."""
    brow, cheek, chin = rng.uniform(4.5, 7.5), rng.uniform(5.8, 8), rng.uniform(5.5, 10)
    locks: list[Lock] = []
    for side in (-1, 1):
        if rng.random() < 0.85:
            a, b, c = rng.normal(0, 0.4, 3)
            parting = rng.uniform(0, 2)
            edge = [(parting, 11, 9), (brow + a, 8, 8), (cheek + b, 3, 7.5), (chin + c, -9, 7)]
            outer = [(chin + c + 1, -14, 5), (14, -14, 3), (11.5, 6, 3), (9, 13, 3), (4, 16, 3), (0, 16.5, 3)]
            locks.append(_lock(rng, [(side * x, y, z) for x, y, z in edge + outer]))
    return locks


def _fringe(rng: Generator) -> Lock:
    """Draw hair over the forehead, down to the brows."""
    line = rng.uniform(5.2, 9)
    edge = [
        (x, line + rng.normal(0, 0.5) + 0.03 * x * x * rng.uniform(-1, 1), 10.5 - 0.05 * x * x)
        for x in np.linspace(-7, 7, 12)
    ]
    return _lock(rng, [*edge, (8, 11, 6), (6, 15, 5), (0, 16, 5), (-6, 15, 5), (-8, 11, 6)])


def _strands(rng: Generator) -> tuple[Strand, ...]:
    side, root = float(rng.choice([-1, 1])), rng.uniform(-6, 6)
    strands: list[Strand] = []
    for _ in range(rng.integers(3, 40)):
        start = root + rng.normal(0, 2)
        end = start + side * rng.uniform(0, 3)
        low = rng.uniform(4.5, 8) if rng.random() < 0.85 else rng.uniform(-2, 4)
        curve = [[start, 13, 9], [(start + end) / 2 + side, (13 + low) / 2, 11.5], [end, low, 11.5]]
        strands.append(Strand(np.array(curve, np.float32), rng.uniform(0.6, 1.4), rng.uniform(0.08, 0.36)))
    return tuple(strands)


def _rounded(outline: F32) -> F32:
    """Round a closed outline by cutting its corners (Chaikin 1974)."""
    for _ in range(ROUNDING):
        following = np.roll(outline, -1, axis=0)
        cut = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], 1)
        outline = cut.reshape(-1, 3).astype(np.float32)
    return outline


def paint_hair(rgba: U8, hair: Hair, hair_rgb: F32, pinhole: Pinhole, seed: int) -> None:
    """Paint hair into a picture.

    Args:
        rgba: (S, S, 4) uint8, colours multiplied by alpha; drawn into.
        hair: the hair.
        hair_rgb: (3,) float32, the person's.
        pinhole: into the picture's pixels.
        seed: of the brightness of single hairs.
    """
    rng = np.random.default_rng([seed, 1])
    for lock in hair.locks:
        _paint_lock(rng, rgba, lock, hair_rgb, pinhole)
    for strand in hair.strands:
        share = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
        root, handle, tip = pinhole.project(strand.points)
        curve = (1 - share) ** 2 * root + 2 * share * (1 - share) * handle + share**2 * tip
        rgb = np.clip(hair_rgb * strand.tone, 0, 255).tolist()
        draw_line(rgba, curve, (*rgb, 255), strand.thickness_cm * pinhole.px_per_cm)


def _paint_lock(rng: Generator, rgba: U8, lock: Lock, hair_rgb: F32, pinhole: Pinhole) -> None:
    size = len(rgba)
    mask = np.zeros((size, size), np.uint8)
    fill_outline(mask, pinhole.project(lock.outline), (255,))
    blur = lock.blur_cm * pinhole.px_per_cm
    if blur > BLUR_MIN_PX:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), np.uint8)
    coarse = rng.normal(1, lock.contrast, (4, lock.hairs)).astype(np.float32)
    texture = np.asarray(cv2.resize(coarse, (size, size)), np.float32)
    lay_over(rgba, mask, texture, (hair_rgb * lock.tone).astype(np.float32), lock.behind)
