"""Alignment of faces: the patch around each face, and the aligned crop that the networks see.

Patches outlive their frame: they are small, and enough to detect and align the face again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from autrt.types import CROP_SIZE_PX, F32, F64, Image, Patch

_COMPLEX: Final = np.array([1, 1j])

PATCH_MARGIN = 0.6
"""Margin of a patch around the crop's square, in crop sides; room for a face that moved."""


def similarity(source: F32, target: F32) -> F64:
    """Return the similarity transform (rotation, one scale, shift) that best maps points onto points.

    Args:
        source: (…, n, 2) float32 points.
        target: (n, 2) float32 points.

    Returns:
        (…, 2, 3) float64 matrices, least squares (Umeyama 1991, without reflection). Degenerate points (all in
        one place) give a scale of 1.
    """
    a, b = source.astype(np.float64), target.astype(np.float64)
    a_mean, b_mean = a.mean(-2), b.mean(0)
    # As complex numbers a similarity is one multiplication: b ≈ z·a.
    p = (a - a_mean[..., None, :]) @ _COMPLEX
    q = (b - b_mean) @ _COMPLEX
    spread = (np.abs(p) ** 2).sum(-1)
    known = spread > 1e-12
    z = np.where(known, (np.conj(p) * q).sum(-1) / np.where(known, spread, 1), 1)
    matrix = np.empty((*z.shape, 2, 3))
    matrix[..., 0, 0] = matrix[..., 1, 1] = np.real(z)
    matrix[..., 1, 0] = np.imag(z)
    matrix[..., 0, 1] = -np.imag(z)
    matrix[..., 2] = b_mean - (matrix[..., :2] @ a_mean[..., None])[..., 0]
    return matrix


def crop_matrix(landmarks: F32, template: F32, pixel_aspect: Fraction = Fraction(1)) -> F64:
    """Return the matrix from frame pixels to crop pixels: a similarity in square pixels.

    Args:
        landmarks: (…, 5, 2) float32 frame pixels.
        template: (5, 2) float32 crop pixels.
        pixel_aspect: width over height of a frame pixel.

    Returns:
        (…, 2, 3) float64.
    """
    square = np.array([float(pixel_aspect), 1.0])
    matrix = similarity((landmarks * square).astype(np.float32), template)
    matrix[..., :2] *= square
    return matrix


def apply(matrix: F64, points: F32) -> F32:
    """Return (…, 2) points transformed by a (2, 3) matrix, as float32."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def invert(matrix: F64) -> F64:
    """Return the (…, 2, 3) float64 matrices that undo the (…, 2, 3) `matrix`."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1).astype(np.float64)


def cut_each(images: Sequence[Image], boxes: Sequence[Sequence[int]]) -> list[Image]:
    """Cut a box (left, top, right, bottom, factor to shrink by) out of each picture."""
    return [image.cut(*box) for image, box in zip(images, boxes, strict=True)]


def cut_patches(
    images: Sequence[Image],
    matrices: F64,
    pixel_aspect: Fraction,
    cut: Callable[[Sequence[Image], Sequence[Sequence[int]]], list[Image]] = cut_each,
) -> list[Patch]:
    """Cut out the patches around faces.

    A patch covers the crop's square and `PATCH_MARGIN` on every side. A face with more pixels than the crop has
    is area-averaged by halves, to 1 to 2 patch pixels a crop pixel, so that the warp does not alias.

    Args:
        images: F pictures of whole frames, one per face.
        matrices: (F, 2, 3) float64, frame pixels → crop pixels; see `crop_matrix`.
        pixel_aspect: width over height of a frame pixel.
        cut: cuts the patches out; `cut_each`, or one that does them together.
    """
    back = invert(matrices)
    middle = back[..., :2].sum(-1) * (CROP_SIZE_PX / 2) + back[..., 2]
    reach = np.abs(back[..., :2]).sum(-1) * ((0.5 + PATCH_MARGIN) * CROP_SIZE_PX)
    size = np.array([(image.width, image.height) for image in images]).reshape(-1, 2)
    low = np.clip(np.floor(middle - reach), 0, size - 1).astype(int)
    high = np.clip(np.ceil(middle + reach) + 1, 1, size).astype(int)
    scale = np.sqrt(np.abs(np.linalg.det(matrices[..., :2])))
    shrink = np.exp2(np.floor(np.log2(np.maximum(1, 1 / np.maximum(scale, 1e-6))))).astype(int)
    boxes = np.concatenate([low, high, shrink[:, None]], axis=1).tolist()
    return [Patch(part, pixel_aspect) for part in cut(images, boxes)]


def patch_matrices(patches: Sequence[Patch], matrices: F64) -> F32:
    """Return the matrices from patch pixels to crop pixels.

    Args:
        patches: F patches.
        matrices: (F, 2, 3) float64, frame pixels → crop pixels.

    Returns:
        (F, 2, 3) float32.
    """
    origin = np.array([patch.image.origin for patch in patches]).reshape(-1, 3)
    linear = matrices[..., :2]
    shift = linear @ origin[:, :2, None] + matrices[..., 2:]
    return np.concatenate([linear * origin[:, 2, None, None], shift], axis=-1).astype(np.float32)
