"""Cutting faces out: a patch around each face, and the aligned crop that the networks see.

The patch is what stays of a frame once it is past: small, and enough to look at the face a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autrt.types import CROP_SIZE_PX, F32, F64, U8, Image

PATCH_MARGIN = 0.6
"""How far a patch reaches beyond the crop's square, in crop sides; room for a face that moved."""


def similarity(source: F32, target: F32) -> F64:
    """The similarity transform (rotation, one scale, shift) that best maps points onto points.

    Args:
        source: (n, 2) float32 points.
        target: (n, 2) float32 points.

    Returns:
        (2, 3) float64 matrix, least squares (Umeyama 1991, without reflection). Degenerate points (all in one
        place) give a scale of 1.
    """
    a, b = source.astype(np.float64), target.astype(np.float64)
    a_mean, b_mean = a.mean(0), b.mean(0)
    # As complex numbers a similarity is one multiplication: b ≈ z·a.
    p = (a - a_mean) @ np.array([1, 1j])
    q = (b - b_mean) @ np.array([1, 1j])
    spread = float(np.sum(np.abs(p) ** 2))
    z = complex(np.sum(np.conj(p) * q) / spread) if spread > 1e-12 else 1 + 0j
    linear = np.array([[z.real, -z.imag], [z.imag, z.real]])
    return np.concatenate([linear, (b_mean - linear @ a_mean)[:, None]], axis=1)


def crop_matrix(landmarks: F32, template: F32, pixel_aspect: Fraction = Fraction(1)) -> F64:
    """Frame pixels → crop pixels, a similarity in square pixels.

    Args:
        landmarks: (5, 2) float32 frame pixels.
        template: (5, 2) float32 crop pixels.
        pixel_aspect: width over height of a frame pixel.

    Returns:
        (2, 3) float64.
    """
    square = np.array([float(pixel_aspect), 1.0])
    matrix = similarity((landmarks * square).astype(np.float32), template)
    matrix[:, :2] *= square
    return matrix


def apply(matrix: F64, points: F32) -> F32:
    """(…, 2) points through a (2, 3) matrix."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def invert(matrix: F64) -> F64:
    """The (2, 3) matrix that undoes `matrix`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Patch:
    """The neighbourhood of one face, cut out of its frame."""

    image: Image
    pixel_aspect: Fraction

    def to_frame(self) -> F64:
        """(2, 3) float64: patch pixels → frame pixels."""
        x, y, shrink = self.image.origin
        return np.array([[shrink, 0, x], [0, shrink, y]])

    def matrix(self, landmarks: F32, template: F32) -> F32:
        """(2, 3) float32: patch pixels → the pixels of a crop aligned by (5, 2) landmarks in frame pixels."""
        matrix = crop_matrix(landmarks, template, self.pixel_aspect)
        x, y, shrink = self.image.origin
        shift = matrix[:, :2] @ (x, y) + matrix[:, 2]
        return np.column_stack([shrink * matrix[:, :2], shift]).astype(np.float32)

    def crop(self, landmarks: F32, template: F32) -> U8:
        """(112, 112, 3) uint8 RGB: the face aligned by its (5, 2) landmarks in frame pixels."""
        return self.image.warped(self.matrix(landmarks, template), CROP_SIZE_PX)


def cut_patch(image: Image, landmarks: F32, template: F32, pixel_aspect: Fraction) -> Patch:
    """The patch around a face with (5, 2) landmarks in frame pixels.

    It covers the crop's square and `PATCH_MARGIN` on every side. A face with more pixels than the crop has is
    area-averaged by a whole factor, to 1 to 2 patch pixels a crop pixel, so that the warp does not alias.
    """
    matrix = crop_matrix(landmarks, template, pixel_aspect)
    low, high = -PATCH_MARGIN * CROP_SIZE_PX, (1 + PATCH_MARGIN) * CROP_SIZE_PX
    corners = np.array([[low, low], [high, low], [high, high], [low, high]], np.float32)
    around = apply(invert(matrix), corners)
    x0, y0 = np.floor(around.min(0)).astype(int)
    x1, y1 = np.ceil(around.max(0)).astype(int) + 1
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    shrink = max(1, int(1 / max(scale, 1e-6)))
    inside = (
        max(0, min(int(x0), image.width - 1)),
        max(0, min(int(y0), image.height - 1)),
        max(1, min(int(x1), image.width)),
        max(1, min(int(y1), image.height)),
    )
    return Patch(image.cut(*inside, shrink), pixel_aspect)
