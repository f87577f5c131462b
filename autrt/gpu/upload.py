"""Frames that were decoded on the CPU, copied to a GPU by stretches, so that all that follows is done there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch

from autrt.gpu.image import images_of
from autrt.gpu.pictures import DevicePlane, Pictures
from autrt.gpu.stretch import stretch_frames
from autrt.gpu.transfer import stacked_on_device
from autrt.settings import MAX_PIXELS
from autrt.types import Frame, Loss, VideoInfo
from autrt.video.planar_image import PlanarImage
from autrt.video.pyav import PyavDecoder


def uploaded(frames: Iterable[Frame], device: str) -> Iterator[Frame]:
    """Yield frames with their pictures on a device, a stretch at a time.

    Pictures of high dynamic range, large ones of which only averages are kept, and rotated ones stay on the host.

    Args:
        frames: with pictures on the host.
        device: cuda:N; cpu in tests.
    """
    frames, where = iter(frames), torch.device(device)
    for first in frames:
        length = stretch_frames(first.image.width, first.image.height)
        stretch = [first, *islice(frames, length - 1)]
        for layout, group in groupby(stretch, _layout):
            alike = list(group)
            yield from alike if layout is None else _placed(alike, where)


class UploadingDecoder:
    """An `autrt.types.Decoder`: PyAV's, with its frames' pictures on a device.

    Args:
        decoder: decodes on the CPU.
        device: cuda:N; cpu in tests.
    """

    def __init__(self, decoder: PyavDecoder, device: str) -> None:
        self._decoder, self._device = decoder, device

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        return self._decoder.info

    @property
    def lost(self) -> Sequence[Loss]:
        """Parts that could not be decoded so far; complete after the last frame."""
        return self._decoder.lost

    @property
    def repaired_times(self) -> int:
        """Number of presentation times so far that were missing or not increasing and had to be set."""
        return self._decoder.repaired_times

    def __iter__(self) -> Iterator[Frame]:
        """Return the iterator over every frame that can be decoded, in presentation order."""
        return uploaded(self._decoder, self._device)

    def close(self) -> None:
        """Release the file; also ends an iteration under way."""
        self._decoder.close()


def open_uploading(path: Path, device: str, max_pixels: int = MAX_PIXELS) -> UploadingDecoder:
    """Open a video file with PyAV for a run on a device."""
    return UploadingDecoder(PyavDecoder(path, max_pixels=max_pixels), device)


def _layout(frame: Frame) -> Hashable:
    """Return what pictures that are copied together have in common; None where a picture stays on the host."""
    image = frame.image
    if not isinstance(image, PlanarImage) or not (
        image.colour is None or isinstance(image.colour, np.ndarray)
    ):
        return None
    colour = None if image.colour is None else image.colour.tobytes()
    return colour, tuple((plane.samples.shape, plane.step, plane.first) for plane in image.planes)


def _placed(frames: list[Frame], device: torch.device) -> Iterator[Frame]:
    images = [frame.image for frame in frames if isinstance(frame.image, PlanarImage)]
    colour = images[0].colour
    assert colour is None or isinstance(colour, np.ndarray)
    pictures = Pictures(_planes(images, device), colour)
    for frame, image in zip(frames, images_of(pictures), strict=True):
        yield replace(frame, image=image)


def _planes(images: list[PlanarImage], device: torch.device) -> list[DevicePlane]:
    """Copy the planes of pictures of one layout; the two of chroma become one, as in NV12."""
    stacks = [
        stacked_on_device([image.planes[k].samples for image in images], device)
        for k in range(len(images[0].planes))
    ]
    luma, *chroma = images[0].planes
    first = stacks[0] if luma.samples.ndim == 3 else stacks[0][..., None]
    planes = [DevicePlane(first, luma.step, luma.first)]
    if chroma:
        planes.append(DevicePlane(torch.stack(stacks[1:], -1), chroma[0].step, chroma[0].first))
    return planes
