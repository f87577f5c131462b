"""Occluders of faces: hands, objects, microphones, masks. Sizes are relative to the face's eye distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from autrt.types import F32
from autrt_train.synth.scene.background import draw_background, draw_colour, smooth_noise

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class FacePlace:
    """Position of the face in a square picture."""

    size_px: int
    landmarks: F32
    """(5, 2) float32 picture pixels."""

    @property
    def unit(self) -> float:
        """Eye distance in pixels; for profiles the height from eyes to mouth replaces it."""
        eyes, mouth = self.landmarks[:2].mean(0), self.landmarks[3:].mean(0)
        across = float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))
        return max(4.0, across, float(np.linalg.norm(mouth - eyes)) / 1.16)

    def upper(self) -> F32:
        """Return (size, size) float32, 1 in the region of eyes and brows."""
        return self._region(self.landmarks[:2].mean(0), (0.95, 0.5), -0.15)

    def lower(self) -> F32:
        """Return (size, size) float32, 1 in the region of the mouth."""
        return self._region(self.landmarks[3:].mean(0), (0.65, 0.45), 0.1)

    def _region(self, centre: Floats, axes: tuple[float, float], down: float) -> F32:
        region = np.zeros((self.size_px, self.size_px), np.float32)
        middle = (float(centre[0]), float(centre[1] + down * self.unit))
        cv2.ellipse(region, (middle, (2 * axes[0] * self.unit, 2 * axes[1] * self.unit), 0.0), 1.0, -1)
        return region


@dataclass(frozen=True, slots=True)
class Occluder:
    """An opaque or partly opaque layer in front of the picture."""

    mask: F32
    """(size, size) float32 opacity 0…1."""
    texture: F32
    """(size, size, 3) float32 RGB 0…255."""

    def over(self, image: F32) -> F32:
        """Composite this layer over a (size, size, 3) float32 picture."""
        mask = self.mask[..., None]
        return (image + (self.texture - image) * mask).astype(np.float32)

    def hides(self, region: F32) -> float:
        """Return the share of a (size, size) region that this layer hides."""
        return float((self.mask * region).sum() / max(1.0, float(region.sum())))


def paint_hand(rng: np.random.Generator, place: FacePlace, skin_rgb: F32) -> Occluder:
    """Paint fingers side by side, and the back of the hand."""
    size, unit = place.size_px, place.unit
    mask = np.zeros((size, size), np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    beside = np.array([-along[1], along[0]])
    tip = place.landmarks[2] + rng.normal(0, 0.9, 2) * unit + beside * rng.normal(0, 0.5) * unit
    width, fingers = rng.uniform(0.2, 0.32) * unit, int(rng.integers(1, 5))
    gap, length = rng.uniform(1.02, 1.3), rng.uniform(1.2, 1.8) * unit
    for k in range(fingers):
        start = tip + beside * k * width * gap + along * rng.normal(0, 0.15) * unit
        end = start + along * length + beside * rng.normal(0, 0.05) * unit
        _stroke(mask, start, end, width * rng.uniform(0.9, 1.05))
    back = tip + along * (length + 0.9 * unit) + beside * (fingers - 1) / 2 * width * gap
    _stroke(
        mask, tip + along * length + beside * (fingers - 1) / 2 * width * gap, back, fingers * width * 1.15
    )
    return Occluder(np.minimum(mask, 1), _skin(rng, mask, skin_rgb, width))


def _stroke(mask: F32, start: Floats, end: Floats, width_px: float) -> None:
    a, b = ([round(float(v) * 16) for v in point] for point in (start, end))
    cv2.line(mask, a, b, 1.0, max(1, round(width_px)), cv2.LINE_AA, 4)


def _skin(rng: np.random.Generator, mask: F32, skin_rgb: F32, width_px: float) -> F32:
    """Return skin, darker towards the edges and lit unevenly."""
    size = len(mask)
    rounded = np.clip(cv2.GaussianBlur(mask, (0, 0), max(0.5, width_px * 0.28)) * 1.25 - 0.25, 0, 1)
    light = 0.42 + 0.58 * rounded + 0.3 * (smooth_noise(rng, (5, 5), size, size) - 0.5)
    return (skin_rgb * np.float32(rng.uniform(0.7, 1.15)) * light[..., None]).astype(np.float32)


def paint_object(rng: np.random.Generator, place: FacePlace) -> Occluder:
    """Paint a cup, a phone, a book or a shoulder, mostly from the side."""
    unit, nose = place.unit, place.landmarks[2]
    side = rng.choice([-1.0, 1.0])
    if rng.random() < 0.65:
        centre = nose + np.array([side * rng.uniform(0.9, 2.0), rng.uniform(-1.6, 1.8)]) * unit
    else:
        centre = nose + rng.uniform(-1.0, 1.0, 2) * unit
    return paint_blob(rng, place, centre, rng.uniform(0.2, 0.9, 2) * unit, None)


def paint_blob(
    rng: np.random.Generator, place: FacePlace, centre: Floats, half: Floats, skin_rgb: F32 | None
) -> Occluder:
    """Paint an ellipse or a rotated box, as skin or with any background pattern."""
    mask = np.zeros((place.size_px, place.size_px), np.float32)
    box = (
        (float(centre[0]), float(centre[1])),
        (float(2 * half[0]), float(2 * half[1])),
        rng.uniform(0, 180),
    )
    if rng.random() < 0.5:
        cv2.ellipse(mask, box, 1.0, -1, cv2.LINE_AA)
    else:
        cv2.fillPoly(mask, [cv2.boxPoints(box).astype(np.int32)], 1.0, cv2.LINE_AA)
    if skin_rgb is not None:
        return Occluder(mask, _skin(rng, mask, skin_rgb, place.unit))
    return Occluder(mask, draw_background(rng, place.size_px, place.size_px))


def paint_microphone(rng: np.random.Generator, place: FacePlace) -> Occluder:
    """Paint a microphone of mesh or foam in front of the chin, with its stick."""
    unit, size = place.unit, place.size_px
    mouth = place.landmarks[3:].mean(0)
    centre = mouth + np.array([rng.normal(0, 0.6), rng.uniform(0.25, 0.9)]) * unit
    radius, lean = rng.uniform(0.22, 0.45) * unit, rng.normal(0, 0.35)
    along = np.array([np.sin(lean), np.cos(lean)])
    mask = np.zeros((size, size), np.float32)
    _stroke(mask, centre, centre + along * 4 * unit, radius * rng.uniform(0.7, 1.2))
    head = (
        (float(centre[0]), float(centre[1])),
        (float(2 * radius), float(2.4 * radius)),
        float(-np.degrees(lean)),
    )
    cv2.ellipse(mask, head, 1.0, -1, cv2.LINE_AA)
    dark = draw_colour(rng) * np.float32(rng.uniform(0.1, 0.5))
    mesh = 0.6 + 0.8 * rng.random((size, size), np.float32)
    glint = np.exp(-(((np.arange(size) - centre[0] + radius / 2) / radius) ** 2)).astype(np.float32)
    return Occluder(mask, (dark * (mesh * (0.6 + glint))[..., None]).astype(np.float32))


def paint_mask(rng: np.random.Generator, place: FacePlace) -> Occluder:
    """Paint a surgical mask or a scarf, from the nose down."""
    unit, size = place.unit, place.size_px
    nose, mouth = place.landmarks[2], place.landmarks[3:].mean(0)
    top = nose[1] - rng.uniform(0.0, 0.35) * unit
    low, half = mouth[1] + rng.uniform(0.7, 1.2) * unit, rng.uniform(1.0, 1.35) * unit
    outline = np.array(
        [
            [nose[0] - half, top + 0.35 * unit], [nose[0], top], [nose[0] + half, top + 0.35 * unit],
            [mouth[0] + 0.8 * half, low - 0.3 * unit], [mouth[0], low], [mouth[0] - 0.8 * half, low - 0.3 * unit],
        ]
    )  # fmt: skip
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1.0, cv2.LINE_AA)
    pale = np.array([[215, 220, 225], [150, 190, 215], [40, 40, 45]], np.float32)
    cloth = pale[int(rng.integers(3))] if rng.random() < 0.7 else draw_colour(rng)
    folds = 0.8 + 0.3 * smooth_noise(rng, (3, 14), size, size)
    return Occluder(mask, (cloth * np.float32(rng.uniform(0.6, 1)) * folds[..., None]).astype(np.float32))
