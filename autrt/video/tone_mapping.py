"""High dynamic range (PQ and HLG) to what a standard picture of the same scene looks like.

The networks were trained on standard pictures, and read the dull ones that PQ and HLG samples are as such
differently. Only small pictures (crops, canvases, thumbnails) are converted: samples → R'G'B' → light → light
within the standard range, in the primaries of BT.709 → R'G'B' of a standard display (BT.1886).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, F64, U8
from autrt.video.colour import yuv_to_unit_rgb

PQ: Final = 16
HLG: Final = 18
BT2020: Final = 9
"""Transfer characteristics and primaries by ITU-T H.273."""

WHITE_NITS: Final = 203.0
"""Luminance of a white surface in HDR (ITU-R BT.2408), which becomes the white of the standard picture."""

PEAK_NITS: Final = 1000.0
"""Luminance that becomes the brightest white; what is brighter does too."""

LINEAR_UP_TO: Final = 0.85
"""Light, as a share of white, up to which nothing is changed: .93 of the standard signal."""

_CODES: Final = 65535
"""R'G'B' are rounded to 16 bits, by which light is looked up."""

_ROOTS: Final = 4095
"""The square root of light is rounded to 12 bits, by which the standard signal is looked up."""

_DISPLAY_GAMMA: Final = 2.4

_TO_BT709: Final = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ],
    np.float32,
)
"""Linear BT.2020 to linear BT.709 (ITU-R BT.2087)."""

_LUMINANCE: Final = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Share of red, green and blue in luminance (BT.2020)."""


@dataclass(frozen=True, slots=True, eq=False)
class ToneMapping:
    """Conversion of the samples of one stream, 8 to 16 bits, to 8-bit RGB of standard range."""

    matrix: F32
    """(3, 4) float32 from samples to R'G'B' codes of 16 bits."""
    hlg: bool
    """Samples are HLG; else PQ."""
    wide: bool
    """Primaries are BT.2020's; else BT.709's."""

    def rgb(self, planes: Sequence[NDArray[Any]]) -> U8:
        """Return (height, width, 3) uint8 RGB of planes of one size: Y, U and V, or packed RGB."""
        samples = cv2.merge(list(planes)) if len(planes) > 1 else planes[0]
        samples = samples.astype(np.uint16, copy=False)
        codes = cast("NDArray[np.uint16]", cv2.transform(samples, self.matrix))
        light = np.take(_hlg_light() if self.hlg else _pq_light(), codes)
        if self.hlg:
            # The system gamma (ITU-R BT.2100) acts on luminance, so that hues stay.
            light *= np.power(light @ _LUMINANCE, 0.2)[..., None] * np.float32(PEAK_NITS / WHITE_NITS)
        if self.wide:
            light = cv2.transform(light, _TO_BT709)
        return _displayed(_compressed(np.maximum(light, 0)))


def tone_mapping(
    transfer: int, primaries: int, space: int | None, full_range: bool, lines: int, bits: int
) -> ToneMapping:
    """Return the conversion of a stream.

    Args:
        transfer: `PQ` or `HLG`.
        primaries: ITU-T H.273; other than BT.709 (1) they are taken as BT.2020.
        space: matrix coefficients; None for RGB.
        full_range: samples span all codes.
        lines: rows of the coded frame.
        bits: of a sample.
    """
    if space is None:
        matrix = np.eye(3, 4, dtype=np.float64) / ((1 << bits) - 1)
    else:
        space = BT2020 if space == 2 else space
        matrix = yuv_to_unit_rgb(space, full_range, lines, bits)
    return ToneMapping((matrix * _CODES).astype(np.float32), transfer == HLG, primaries != 1)


@cache
def _pq_light() -> F32:
    """Return light by PQ code (SMPTE ST 2084), as a share of white: (65536,) float32."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    signal = (np.arange(_CODES + 1) / _CODES) ** (1 / m2)
    nits = 10_000 * (np.maximum(signal - c1, 0) / (c2 - c3 * signal)) ** (1 / m1)
    return (nits / WHITE_NITS).astype(np.float32)


@cache
def _hlg_light() -> F32:
    """Return scene light by HLG code (ITU-R BT.2100), 0 to 1: (65536,) float32."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.arange(_CODES + 1) / _CODES
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


def _compressed(light: F32) -> F32:
    """Bring light from 0…`PEAK_NITS` to 0…1 by FFmpeg's "mobius": linear first, then ever flatter; hues stay."""
    j, peak = LINEAR_UP_TO, PEAK_NITS / WHITE_NITS
    red, green, blue = cv2.split(light)
    brightest = cv2.max(cv2.max(red, green), blue)[..., None]
    bright = brightest > j
    if not bright.any():
        return light
    a = -j * j * (peak - 1) / (j * j - 2 * j + peak)
    b = (j * j - 2 * j * peak + peak) / (peak - 1)
    scale = (b * b + 2 * b * j + j * j) / (b - a)
    within = np.minimum(np.where(bright, brightest, 1), peak)
    mapped = scale * (within + a) / (within + b)
    return light * np.where(bright, mapped / np.where(bright, brightest, 1), 1).astype(np.float32)


@cache
def _display_codes() -> U8:
    """Return the 8-bit signal of a standard display by the square root of light in 12 bits: (4096,) uint8."""
    root: F64 = np.arange(_ROOTS + 1) / _ROOTS
    return np.rint(255 * root ** (2 / _DISPLAY_GAMMA)).astype(np.uint8)


def _displayed(light: F32) -> U8:
    codes = np.sqrt(np.minimum(light, 1)) * np.float32(_ROOTS) + np.float32(0.5)
    return np.take(_display_codes(), codes.astype(np.uint16))
