"""Affine matrices from picture to crop, and landmarks through them.

Coordinates count pixel centres at whole numbers, so a crop's centre is (55.5, 55.5).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from autrt.model.settings import require
from autrt.template import MIRRORED
from autrt.types import CROP_SIZE_PX, F32, F64, Bool

CENTRE_PX: Final = (CROP_SIZE_PX - 1) / 2


JITTER_MAX: Final = {"shift_px": 28, "scale": 0.5, "rotation_deg": 90}
"""Largest standard deviations of the jitter."""


def require_jitter(owner: Any) -> None:
    """Check the settings named in `JITTER_MAX`.

    Raises:
        UsageError: one is negative or too large.
    """
    for name, most in JITTER_MAX.items():
        require(0 <= getattr(owner, name) <= most, owner, name, f"a standard deviation from 0 to {most}")


def crop_matrices(shift_px: F64, scale: F64, rotation_deg: F64, flipped: Bool, margin_px: int) -> F64:
    """Return picture → crop matrices: cut off the margin, rotate and scale about the centre, shift, mirror.

    Args:
        shift_px: (B, 2) x, y in crop pixels.
        scale: (B,) 1 as it is; above 1 the face gets larger.
        rotation_deg: (B,) degrees; positive turns x towards y, clockwise to the eye.
        flipped: (B,).
        margin_px: of the pictures.

    Returns:
        (B, 2, 3) float64. Neutral arguments give exactly the central 112×112 pixels.
    """
    angle = np.deg2rad(rotation_deg)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    offset = CENTRE_PX + shift_px - linear.sum(2) * (CENTRE_PX + margin_px)
    matrices = np.concatenate([linear, offset[:, :, None]], axis=2)
    matrices[flipped, 0] *= -1
    matrices[flipped, 0, 2] += CROP_SIZE_PX - 1
    return matrices


def inverse(matrices: F32 | F64) -> F64:
    """Return the (B, 2, 3) float64 inverses of `matrices`, with which a warp looks up pixels."""
    linear: F64 = np.linalg.inv(matrices[:, :, :2].astype(np.float64)).astype(np.float64)
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)


def from_corners(matrices: F64) -> F64:
    """Return the same (B, 2, 3) maps for coordinates relative to pixel corners, as DALI uses them."""
    moved = matrices.copy()
    moved[:, :, 2] += 0.5 - 0.5 * matrices[:, :, :2].sum(2)
    return moved


def move_landmarks(landmarks: F32, matrices: F32, flipped: Bool, margin_px: int) -> F32:
    """Move landmarks to where they are in the augmented picture.

    Args:
        landmarks: (B, 5, 2) float32 crop pixels before the draw, NaN where unknown.
        matrices: (B, 2, 3) picture → crop.
        flipped: (B,) whether left and right change places.
        margin_px: of the pictures.

    Returns:
        (B, 5, 2) float32 crop pixels, ArcFace's order.
    """
    points = landmarks.astype(np.float64) + margin_px
    moved = points @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
    moved[flipped] = moved[flipped][:, list(MIRRORED)]
    return moved.astype(np.float32)
