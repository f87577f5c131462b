"""Brightness, contrast, saturation and hue as one affine matrix, the same as NVIDIA DALI's `color_twist`.

With Y the luma and I, Q the chroma of NTSC's colour space, T: RGB → YIQ, R(h) a turn of (I, Q) by the hue and
S(s) a scaling of them by the saturation:

    RGB' = b·c · T⁻¹ R(h) S(s) T · RGB + 128·b·(1 − c)

for brightness b and contrast c around mid grey. Nothing is clipped in between, so it is one product.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F32, F64

RGB_TO_YIQ: Final[F64] = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
"""NTSC's matrix (FCC 1953) to three decimals, as DALI has it."""

MID_GREY: Final = 128.0


def colour_matrices(brightness: F64, contrast: F64, saturation: F64, hue_deg: F64) -> F32:
    """Return colour matrices.

    Args:
        brightness: (B,) factor, 1 as it is.
        contrast: (B,) factor around mid grey, 1 as it is.
        saturation: (B,) factor, 1 as it is, 0 grey.
        hue_deg: (B,) turn of the colours in degrees.

    Returns:
        (B, 3, 4) float32: RGB' = M·(R, G, B, 1) for values 0…255. Neutral arguments give exactly the identity.
    """
    angle = np.deg2rad(hue_deg)
    cos, sin = saturation * np.cos(angle), saturation * np.sin(angle)
    chroma = np.zeros((len(angle), 3, 3))
    # What is added to the identity, so that rounding cannot spoil a neutral matrix.
    chroma[:, 1, 1] = chroma[:, 2, 2] = cos - 1
    chroma[:, 1, 2], chroma[:, 2, 1] = sin, -sin
    turned = np.eye(3) + np.linalg.inv(RGB_TO_YIQ) @ chroma @ RGB_TO_YIQ
    matrix = (brightness * contrast)[:, None, None] * turned
    offset = np.repeat(MID_GREY * brightness * (1 - contrast), 3).reshape(-1, 3, 1)
    return np.concatenate([matrix, offset], axis=2).astype(np.float32)
