"""Pictures on a GPU (or, for tests, in torch's memory on the CPU); only small copies come to the host."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from autrt.gpu.warp import warp
from autrt.types import F32, U8
from autrt.video.planar_image import HALVING_FROM, OVERSAMPLING, PlanarImage, Plane, span


class SketchedPictures:
    """The pictures of a sequence, whose sparse samples are all copied to the host when those of one are asked for.

    Args:
        pixels: uint8 (n, height, width, 3), upright.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        self._lock = threading.Lock()
        self._copied: dict[int, U8] = {}

    def __len__(self) -> int:
        return len(self.pixels)

    def of(self, index: int, stride: int) -> U8:
        """Return every `stride`-th pixel of a picture along both axes, on the host."""
        with self._lock:
            if stride not in self._copied:
                self._copied[stride] = _sparse(self.pixels, stride).contiguous().cpu().numpy()
            return self._copied[stride][index]


class TensorImage:
    """An `autrt.types.Image` over an upright uint8 (height, width, 3) tensor.

    Its crops stay on the picture's device. The small pictures for the detector and the search for scene cuts are
    halved there, as often as the CPU's pictures are, and brought to their size by the same code on the host.
    """

    __slots__ = ("_origin", "_sketch", "colour", "pixels")

    def __init__(
        self,
        pixels: Tensor,
        colour: F32 | None = None,
        origin: tuple[float, float, float] = (0.0, 0.0, 1.0),
        sketch: Callable[[int], U8] | None = None,
    ) -> None:
        """Take a tensor without a copy.

        Args:
            pixels: uint8 (height, width, 3).
            colour: float32 (3, 4) from the tensor's colours, such as YCbCr, to RGB; None where they are RGB.
            origin: see `autrt.types.Image.origin`.
            sketch: returns every n-th pixel along both axes, on the host; by default they are copied alone.
        """
        self.pixels = pixels
        self._sketch = sketch
        self.colour = colour
        self._origin = origin

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): place and scale in the picture that this one was cut from; see `Image.origin`."""
        return self._origin

    def rgb(self) -> U8:
        """Return the whole picture as (height, width, 3) uint8 RGB, on the host."""
        return self._coloured(self.pixels).cpu().numpy().copy()

    def resized(self, width: int, height: int) -> U8:
        """Return the whole picture averaged (or enlarged) to (height, width, 3) uint8 RGB, on the host."""
        pixels = self.pixels
        while _halves(pixels, width, height):
            pixels = _halved(pixels)
        return self._on_host(pixels).resized(width, height)

    def thumbnail(self, width: int, height: int) -> U8:
        """Return a coarse (height, width, 3) uint8 RGB picture of sparse samples, on the host."""
        stride = max(1, min(self.width // (OVERSAMPLING * width), self.height // (OVERSAMPLING * height)))
        if self._sketch is None:
            return self._on_host(_sparse(self.pixels, stride)).thumbnail(width, height)
        return PlanarImage((Plane(self._sketch(stride)),), self.colour).thumbnail(width, height)

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> TensorImage:
        """Copy columns x0…x1−1 and rows y0…y1−1; see `autrt.types.Image.cut`."""
        left, right = span(x0, x1, self.width, shrink)
        top, bottom = span(y0, y1, self.height, shrink)
        part = self.pixels[top:bottom, left:right]
        inset = (shrink - 1) / 2
        pixels = part.clone() if shrink == 1 else _block_means(part, shrink)
        return TensorImage(pixels, self.colour, (left + inset, top + inset, float(shrink)))

    def warped(self, matrix: F32, size_px: int) -> U8:
        """Return a (size_px, size_px, 3) uint8 RGB crop through `matrix`, on the host; see `DeviceMemory`."""
        return warp([self.pixels], matrix[None], size_px, [self.colour])[0].cpu().numpy()

    def _coloured(self, pixels: Tensor) -> Tensor:
        """Return some pixels of this picture, uint8 (…, 3), in RGB."""
        if self.colour is None:
            return pixels
        colour = torch.from_numpy(np.array(self.colour)).to(pixels.device)
        coloured = pixels.float() @ colour[:, :3].T + colour[:, 3]
        return coloured.round_().clamp_(0, 255).to(torch.uint8)

    def _on_host(self, pixels: Tensor) -> PlanarImage:
        return PlanarImage((Plane(pixels.contiguous().cpu().numpy()),), self.colour)


def _sparse(pixels: Tensor, stride: int) -> Tensor:
    """Return every `stride`-th pixel of pictures (…, height, width, 3) along both axes: a view."""
    return pixels[..., stride // 2 :: stride, stride // 2 :: stride, :]


def _halves(pixels: Tensor, width: int, height: int) -> bool:
    """Return whether `PlanarImage.resized` would take means of 2×2 pixels first."""
    rows, columns = pixels.shape[:2]
    if rows <= 2 * height and columns <= 2 * width:
        return False
    return (
        rows % 2 == 0
        and columns % 2 == 0
        and rows >= HALVING_FROM * height
        and columns >= HALVING_FROM * width
    )


def _halved(pixels: Tensor) -> Tensor:
    """Return the means of 2×2 pixels, rounded as OpenCV rounds them."""
    quarters = pixels.unflatten(1, (-1, 2)).unflatten(0, (-1, 2)).sum((1, 3), dtype=torch.int16)
    return (quarters + 2).bitwise_right_shift_(2).to(torch.uint8)


def _block_means(pixels: Tensor, side: int) -> Tensor:
    """Return the means of side×side blocks, by halves as `PlanarImage.cut` does; the edge fills incomplete ones."""
    rows, columns = (
        torch.arange(-(-length // side) * side, device=pixels.device).clamp_(max=length - 1)
        for length in pixels.shape[:2]
    )
    pixels = pixels[rows][:, columns]
    while side % 2 == 0:
        pixels, side = _halved(pixels), side // 2
    blocks = pixels.unflatten(1, (-1, side)).unflatten(0, (-1, side))
    return blocks.float().mean((1, 3)).round_().to(torch.uint8)
