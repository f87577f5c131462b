"""Pictures of one size on a device, in their decoder's planes; every operation is for many of them at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from autrt.gpu.resample import block_means, resampled, scaled
from autrt.gpu.transfer import HostCopy, constant, to_device
from autrt.types import F32, I64, U8
from autrt.video.planar_image import OVERSAMPLING


@dataclass(frozen=True, slots=True)
class DevicePlane:
    """A plane of each of n pictures, and the position of its samples; see `autrt.video.planar_image.Plane`."""

    samples: Tensor
    """uint8 (n, rows, columns, channels): packed RGB or YCbCr; or luma, and chroma as NV12 has it."""
    step: tuple[int, int] = (1, 1)
    first: tuple[float, float] = (0.0, 0.0)


class Pictures:
    """n pictures of one size. May be used from several threads that work on one CUDA stream.

    Args:
        planes: the first has the pictures' size.
        colour: float32 (3, channels of all planes + 1) to RGB; None where the plane is RGB.
    """

    def __init__(self, planes: Sequence[DevicePlane], colour: F32 | None) -> None:
        self.planes = tuple(planes)
        self.colour = colour
        self._lock = threading.Lock()
        self._sketches: dict[tuple[int, int], HostCopy] = {}

    def __len__(self) -> int:
        return len(self.planes[0].samples)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.planes[0].samples.shape[2]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.planes[0].samples.shape[1]

    @property
    def device(self) -> torch.device:
        """Device that holds them."""
        return self.planes[0].samples.device

    def chosen(self, index: Sequence[int]) -> Pictures:
        """Return some of the pictures: a view where they follow each other at equal distances, else a copy."""
        steps = set(np.diff(index).tolist())
        if len(steps) <= 1 and min(steps, default=1) > 0:
            chosen = slice(index[0], index[-1] + 1, steps.pop() if steps else 1)
            planes = [DevicePlane(p.samples[chosen], p.step, p.first) for p in self.planes]
        else:
            rows = to_device(np.array(index, np.int64), self.device)
            planes = [DevicePlane(p.samples[rows], p.step, p.first) for p in self.planes]
        return Pictures(planes, self.colour)

    def resized(self, width: int, height: int) -> Tensor:
        """Return all pictures averaged (or enlarged), uint8 (n, height, width, 3) RGB on the device."""
        return self.coloured([scaled(plane.samples, width, height) for plane in self.planes])

    def start_thumbnails(self, width: int, height: int) -> HostCopy:
        """Start making and copying the thumbnails of all pictures, once: see `thumbnail`."""
        with self._lock:
            if (width, height) not in self._sketches:
                self._sketches[width, height] = HostCopy(self._sketched(width, height))
            return self._sketches[width, height]

    def thumbnail(self, index: int, width: int, height: int) -> U8:
        """Return a coarse (height, width, 3) uint8 RGB picture of sparse samples, on the host."""
        return self.start_thumbnails(width, height).result()[index, 1:].reshape(height, width, 3)

    def seem_empty(self, width: int, height: int) -> list[int]:
        """Return which pictures have zeros in all samples of their thumbnail."""
        return np.nonzero(self.start_thumbnails(width, height).result()[:, 0] == 0)[0].tolist()

    def _sketched(self, width: int, height: int) -> Tensor:
        """Return uint8 (n, 1 + height · width · 3): the largest of the samples taken, and the thumbnail."""
        sparse = [_sparse(plane.samples, width, height) for plane in self.planes]
        small = [resampled(samples, width, height, cv2.INTER_AREA) for samples in sparse]
        largest = torch.stack([samples.amax((1, 2, 3)) for samples in sparse], 1).amax(1, keepdim=True)
        return torch.cat([largest, self.coloured(small).flatten(1)], 1)

    def cut(self, index: I64, boxes: I64, shrink: int) -> Pictures:
        """Copy a box of each of F pictures, averaged by the factor `shrink`.

        Args:
            index: int64 (F,) pictures.
            boxes: int64 (F, 4) left, top, right, bottom in pixels, on whole samples and blocks, right and bottom
                perhaps at the picture's end.
            shrink: pixels that are averaged along each axis.

        Returns:
            F pictures as large as the largest box; at the top left of each is its own.
        """
        placed = to_device(np.concatenate([index[:, None], boxes[:, :2]], 1), self.device)
        size = (boxes[:, 2:] - boxes[:, :2]).max(0)
        planes: list[DevicePlane] = []
        for plane in self.planes:
            samples = plane.samples
            y, x = (
                _along(placed[:, 2 - axis], int(size[1 - axis]), plane.step[1 - axis] * shrink, shrink, n)
                for axis, n in enumerate(samples.shape[1:3])
            )
            part = samples[placed[:, 0, None, None], y[:, :, None], x[:, None]]
            inset = (shrink - 1) / 2
            first = tuple(
                (f + (s - 1) * inset) / shrink for f, s in zip(plane.first, plane.step, strict=True)
            )
            planes.append(DevicePlane(block_means(part, shrink), plane.step, first))  # pyright: ignore[reportArgumentType]
        return Pictures(planes, self.colour)

    def coloured(self, planes: Sequence[Tensor]) -> Tensor:
        """Return uint8 (…, 3) RGB of the planes' samples (…, channels) at the same places, limited to 0…255."""
        return self.to_rgb(planes).round_().clamp_(0, 255).to(torch.uint8)

    def to_rgb(self, planes: Sequence[Tensor]) -> Tensor:
        """Return float32 (…, 3) RGB, not limited, of the planes' samples (…, channels) at the same places."""
        samples = torch.cat([plane.float() for plane in planes], -1) if len(planes) > 1 else planes[0].float()
        if self.colour is None:
            return samples
        colour = constant(self.colour, samples.device)
        flat = torch.addmm(colour[:, -1], samples.flatten(0, -2), colour[:, :-1].T)
        return flat.view(*samples.shape[:-1], 3)


def _sparse(samples: Tensor, width: int, height: int) -> Tensor:
    """Return every n-th sample along both axes, as `PlanarImage.thumbnail` takes them: a view."""
    rows, columns = samples.shape[1:3]
    stride = max(1, min(columns // (OVERSAMPLING * width), rows // (OVERSAMPLING * height)))
    return samples[:, stride // 2 :: stride, stride // 2 :: stride]


def _along(start: Tensor, pixels: int, unit: int, shrink: int, length: int) -> Tensor:
    """Return the rows (or columns) of samples under `pixels` pixels, int64 (F, whole blocks).

    Args:
        start: int64 (F,) first pixel of each box.
        pixels: longest box.
        unit: pixels under a block of samples.
        shrink: samples of a block.
        length: samples of the plane; beyond, the last one is repeated.
    """
    count = -(-pixels // unit) * shrink
    return (start[:, None] * shrink // unit + torch.arange(count, device=start.device)).clamp_(max=length - 1)
