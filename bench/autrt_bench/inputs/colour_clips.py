"""Clips of patches in saturated colours, in each colour matrix and range, with the RGB that must come of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from autrt.types import F64, U8

PATCH_PX: Final = 64
FRAMES: Final = 10
RATE: Final = Fraction(25)

PATCHES: Final = np.array(
    [
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)],
        [(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0)],
        [(180, 120, 95), (90, 60, 50), (128, 128, 128), (250, 200, 180)],
    ],
    np.uint8,
)
"""(3, 4, 3) RGB of the patches: the corners of the colour cube, and skin."""

MATRICES: Final = {"BT.601": (6, 0.299, 0.114), "BT.709": (1, 0.2126, 0.0722), "BT.2020": (9, 0.2627, 0.0593)}
"""Name → matrix coefficients' number in ITU-T H.273, and the weights of red and blue in luma by the standard."""


@dataclass(frozen=True, slots=True)
class ColourClip:
    """An H.264 clip of `PATCHES` that states its matrix and range."""

    matrix: str
    """A key of `MATRICES`."""
    full_range: bool
    """Luma spans 0…255, not 16…235."""

    @property
    def name(self) -> str:
        """Name that tells it from the others."""
        return f"{self.matrix}, {'full' if self.full_range else 'limited'} range"

    def write(self, folder: Path) -> Path:
        """Write the clip and return its path."""
        path = folder / f"{self.name.replace(', ', '-').replace(' ', '-')}.mp4"
        number, _, _ = MATRICES[self.matrix]
        planes = self._planes()
        rows, columns = planes[0].shape
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(
                "libx264", rate=RATE, options={"crf": "2", "preset": "veryfast"}
            )
            stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
            stream.codec_context.colorspace = number
            stream.codec_context.color_range = 2 if self.full_range else 1
            for i in range(FRAMES):
                frame = av.VideoFrame.from_ndarray(_stacked(planes), "yuv420p")
                frame.colorspace, frame.color_range = number, 2 if self.full_range else 1
                frame.pts, frame.time_base = i, 1 / RATE
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    def _planes(self) -> tuple[U8, U8, U8]:
        """Return Y, and Cb and Cr of half its size."""
        _, red, blue = MATRICES[self.matrix]
        r, g, b = np.moveaxis(PATCHES.astype(np.float64) / 255, -1, 0)
        y = red * r + (1 - red - blue) * g + blue * b
        cb, cr = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
        black, luma, chroma = (0, 255, 255) if self.full_range else (16, 219, 224)
        return (
            _patches(black + luma * y, PATCH_PX),
            _patches(128 + chroma * cb, PATCH_PX // 2),
            _patches(128 + chroma * cr, PATCH_PX // 2),
        )


CLIPS: Final = tuple(ColourClip(matrix, full) for matrix in MATRICES for full in (False, True))


def error_of(picture: U8) -> float:
    """Return the largest error of a patch's mean colour in a decoded picture, (192, 256, 3) RGB, in grey levels."""
    rows, columns = PATCHES.shape[:2]
    means = [[_inner(picture, y, x).mean((0, 1)) for x in range(columns)] for y in range(rows)]
    return float(np.abs(np.array(means) - PATCHES).max())


def _inner(picture: U8, row: int, column: int) -> U8:
    """Return the pixels of a patch that are far from its edges, where chroma is interpolated."""
    top, left, margin = row * PATCH_PX, column * PATCH_PX, PATCH_PX // 4
    return picture[top + margin : top + PATCH_PX - margin, left + margin : left + PATCH_PX - margin]


def _patches(values: F64, side_px: int) -> U8:
    return np.kron(np.clip(np.rint(values), 0, 255), np.ones((side_px, side_px))).astype(np.uint8)


def _stacked(planes: tuple[U8, U8, U8]) -> U8:
    """Return the planes one after the other, as PyAV takes them: (1.5 · rows, columns)."""
    columns = planes[0].shape[1]
    return np.concatenate([plane.reshape(-1, columns) for plane in planes])
