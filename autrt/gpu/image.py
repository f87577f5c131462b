"""One picture on a GPU (or, for tests, in torch's memory on the CPU); only small copies come to the host."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

import numpy as np
import torch
from torch import Tensor

from autrt.face.detect import Letterbox
from autrt.gpu.pictures import DevicePlane, Pictures
from autrt.gpu.transfer import HostCopy
from autrt.gpu.warp import upsampled, warp
from autrt.types import F32, I64, U8

Box = Sequence[int]
"""Left, top, right, bottom in pixels, and the factor to shrink by."""


class TensorImage:
    """An `autrt.types.Image` in `Pictures`. What it is asked alone costs as much as for many: see `cut_together`.

    Args:
        pictures: hold it, at their top left.
        index: which of them it is.
        size: width and height; by default all of it.
        origin: see `autrt.types.Image.origin`.
    """

    __slots__ = ("height", "index", "origin", "pictures", "width")

    def __init__(
        self,
        pictures: Pictures,
        index: int,
        size: tuple[int, int] | None = None,
        origin: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> None:
        self.pictures, self.index, self.origin = pictures, index, origin
        self.width, self.height = size or (pictures.width, pictures.height)

    @staticmethod
    def draw_together(images: Sequence[TensorImage], boxes: Sequence[Letterbox]) -> Tensor:
        """Draw images on canvases of one size; see `drawn_together`."""
        return drawn_together(images, boxes)

    def rgb(self) -> U8:
        """Return the whole picture as (height, width, 3) uint8 RGB, on the host."""
        return HostCopy(upsampled(self.alone())[0]).result()

    def resized(self, width: int, height: int) -> U8:
        """Return the whole picture averaged (or enlarged) to (height, width, 3) uint8 RGB, on the host."""
        return HostCopy(self.alone().resized(width, height)[0]).result()

    def thumbnail(self, width: int, height: int) -> U8:
        """Return a coarse (height, width, 3) uint8 RGB picture of sparse samples, on the host."""
        if (self.width, self.height) == (self.pictures.width, self.pictures.height):
            return self.pictures.thumbnail(self.index, width, height)
        return self.alone().thumbnail(0, width, height)

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> TensorImage:
        """Copy columns x0…x1−1 and rows y0…y1−1; see `autrt.types.Image.cut`."""
        return cut_together([self], [(x0, y0, x1, y1, shrink)])[0]

    def warped(self, matrix: F32, size_px: int) -> U8:
        """Return a (size_px, size_px, 3) uint8 RGB crop through `matrix`, on the host; see `DeviceMemory`."""
        return HostCopy(warped_together([self], matrix[None], size_px)[0]).result()

    def alone(self) -> Pictures:
        """Return the picture as the only one of its `Pictures`: a view."""
        planes: list[DevicePlane] = []
        for plane in self.pictures.planes:
            across, down = plane.step
            rows, columns = -(-self.height // down), -(-self.width // across)
            samples = plane.samples[self.index : self.index + 1, :rows, :columns]
            planes.append(DevicePlane(samples, plane.step, plane.first))
        return Pictures(planes, self.pictures.colour)


def cut_together(images: Sequence[TensorImage], boxes: Sequence[Box]) -> list[TensorImage]:
    """Cut a box out of each of some images of the same `Pictures`, all shrunk by the same factor.

    Args:
        images: F images.
        boxes: F boxes; see `autrt.types.Image.cut`.
    """
    pictures, shrink = images[0].pictures, boxes[0][4]
    wanted = np.array(boxes, np.int64)[:, :4].reshape(-1, 2, 2)
    size = np.array([(image.width, image.height) for image in images])
    unit = shrink * np.array([plane.step for plane in pictures.planes]).max(0)
    low = np.clip(wanted[:, 0], 0, size - 1)
    high = np.clip(wanted[:, 1], low + 1, size)
    low, high = low // unit * unit, np.minimum(-(-high // unit) * unit, size)
    parts = pictures.cut(_indices(images), np.concatenate([low, high], 1), shrink)
    inset = (shrink - 1) / 2
    sizes = (-(-(high - low) // shrink)).tolist()
    return [
        TensorImage(parts, i, (width, height), (x + inset, y + inset, float(shrink)))
        for i, ((x, y), (width, height)) in enumerate(zip(low.tolist(), sizes, strict=True))
    ]


def warped_together(images: Sequence[TensorImage], matrices: F32, size_px: int) -> Tensor:
    """Return a crop of each of some images of the same `Pictures`; see `warp`."""
    sizes = np.array([(image.width, image.height) for image in images], np.int64)
    return warp(images[0].pictures, _indices(images), sizes, matrices, size_px)


def _indices(images: Sequence[TensorImage]) -> I64:
    return np.array([image.index for image in images], np.int64)


def drawn_together(images: Sequence[TensorImage], boxes: Sequence[Letterbox]) -> Tensor:
    """Return letterbox canvases of one size, uint8 (n, height, width, 3) RGB on the device.

    Pictures of one `Pictures` are scaled together.

    Args:
        images: n images.
        boxes: their places on their canvases.
    """
    groups: dict[object, list[int]] = {}
    for i, (image, box) in enumerate(zip(images, boxes, strict=True)):
        whole = (image.width, image.height) == (image.pictures.width, image.pictures.height)
        groups.setdefault((id(image.pictures), box) if whole else i, []).append(i)
    canvases = torch.zeros(
        (len(images), *boxes[0].canvas, 3), dtype=torch.uint8, device=images[0].pictures.device
    )
    for rows in groups.values():
        first, box = images[rows[0]], boxes[rows[0]]
        together = (
            first.pictures.chosen([images[row].index for row in rows]) if len(rows) > 1 else first.alone()
        )
        scaled = together.resized(box.width, box.height)
        if rows == list(range(rows[0], rows[-1] + 1)):
            canvases[rows[0] : rows[-1] + 1, : box.height, : box.width] = scaled
        else:
            for row, one in zip(rows, scaled, strict=True):
                canvases[row, : box.height, : box.width] = one
    return canvases


def images_of(pictures: Pictures) -> list[TensorImage]:
    """Return each of some pictures."""
    return list(starmap(TensorImage, ((pictures, i) for i in range(len(pictures)))))
