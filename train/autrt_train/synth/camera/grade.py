"""Brightness and colour grading of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from autrt.types import F32

GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the brightness (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """Tones of one picture or one shot, in the order in which they are applied."""

    gamma: float
    gain: F32
    """(3,) float32 RGB factors of the white balance."""
    contrast: float
    pivot: float | None
    """Mean brightness (0…1) of the picture's middle after the change; None: unchanged."""
    saturation: float
    vignette: float
    """Darkening in the corners, 0…1."""

    def apply(self, image: F32) -> F32:
        """Apply the grade to (H, W, 3) float32 RGB 0…255."""
        unit = np.asarray(cv2.pow(np.clip(image, 0, 255) * np.float32(1 / 255), self.gamma), np.float32)
        mean = float((_middle(unit).mean((0, 1)) * self.gain).mean())
        pivot = mean if self.pivot is None else self.pivot
        # The rest is linear: c = contrast · (gain · unit − mean) + pivot, then grey + saturation · (c − grey).
        mix = self.saturation * np.eye(3) + (1 - self.saturation) * GREY
        matrix = np.empty((3, 4))
        matrix[:, :3] = mix * (255 * self.contrast * self.gain)
        matrix[:, 3] = 255 * (pivot - self.contrast * mean)
        out = np.asarray(cv2.transform(unit, matrix), np.float32)
        return out * _corners(image.shape[0], image.shape[1], self.vignette) if self.vignette else out


def draw_grade(rng: np.random.Generator) -> Grade:
    """Draw gamma, white balance, contrast and saturation; one picture in ten is grey."""
    saturation = 1.0
    if rng.random() < 0.5:
        saturation = 0.0 if rng.random() < 0.2 else rng.uniform(0.2, 1.25)
    return Grade(
        gamma=float(np.exp(rng.normal(0, 0.16))),
        gain=(1 + rng.normal(0, 0.06, 3)).astype(np.float32),
        contrast=float(np.exp(rng.normal(0.05, 0.16))),
        pivot=None if rng.random() < 0.3 else rng.uniform(0.3, 0.6),
        saturation=saturation,
        vignette=rng.uniform(0.1, 0.5) if rng.random() < 0.2 else 0.0,
    )


def _middle(unit: F32) -> F32:
    """Return the area in which a camera measures the light: the middle half of either side."""
    y, x = unit.shape[0] // 4, unit.shape[1] // 4
    return unit[y : unit.shape[0] - y, x : unit.shape[1] - x]


def _corners(height: int, width: int, strength: float) -> F32:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    return (1 - strength / 2 * (x * x + y * y)).astype(np.float32)
