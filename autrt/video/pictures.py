"""Decoder of pictures: a folder of numbered ones as a video, or a single still."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, cast

import cv2
import numpy as np

from autrt.errors import VideoError
from autrt.types import U8, Frame, Loss, VideoInfo
from autrt.video.loss_log import LossLog
from autrt.video.picture_damage import picture_damage
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.unreadable import check_file, system_reason

_NUMBERED: Final = re.compile(r"([0-9]{5,18})\.(jpg|png)", re.ASCII)
"""Names of numbered pictures, as in Aff-Wild2; longer numbers would not fit into 64 bits."""

STILL_RATE: Final = Fraction(30)
"""Frames a second in the `VideoInfo` of a still, which has no rate."""


def picture_number(name: str) -> int | None:
    """Return the number in the name of a numbered picture (00001.jpg); None for other names."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else None


def open_folder(path: Path, rate: Fraction) -> PictureDecoder:
    """Open a folder of numbered pictures.

    The frame index is the picture's number − 1, or its number in a folder with a picture 0; numbers may be missing.

    Args:
        path: the folder.
        rate: pictures a second.

    Raises:
        VideoError: the folder cannot be listed, or no picture in it can be decoded.
    """
    try:
        names = sorted((entry.name for entry in path.iterdir()), key=os.fsencode)
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error
    numbered = [(number, name) for name in names if (number := picture_number(name)) is not None]
    numbered.sort(key=lambda pair: pair[0])
    base = 0 if numbered and numbered[0][0] == 0 else 1
    return PictureDecoder(path, "images", [(number - base, path / name) for number, name in numbered], rate)


def open_still(path: Path) -> PictureDecoder:
    """Open a single picture as one frame at time 0.

    Raises:
        VideoError: the picture cannot be decoded.
    """
    check_file(path)
    return PictureDecoder(path, "still", [(0, path)], STILL_RATE)


class PictureDecoder:
    """An `autrt.types.Decoder` of picture files, which are turned upright by their EXIF orientation.

    Pictures of another size are scaled to the first one's; unreadable ones are losses.
    """

    def __init__(
        self,
        path: Path,
        kind: Literal["images", "still"],
        pictures: Sequence[tuple[int, Path]],
        rate: Fraction,
    ) -> None:
        """Decode the first picture.

        Args:
            path: the folder, or the still itself.
            kind: "images" for a folder, "still" for a single picture.
            pictures: frame index and file, in order of the index.
            rate: frames a second.

        Raises:
            VideoError: no picture can be decoded.
        """
        self._pictures = deque(pictures)
        self._rate = rate
        self._losses = LossLog()
        self._size: tuple[int, int] | None = None
        self._last_index = -1
        self._ready: deque[Frame] = deque()
        if not self._advance():
            raise VideoError(_nothing_decoded(kind, self._losses.entries))
        image = self._ready[0].image
        length = pictures[-1][0] + 1
        self._info = VideoInfo(
            path=path,
            kind=kind,
            width=image.width,
            height=image.height,
            time_base=1 / rate,
            rate=rate,
            frame_count=len(pictures),
            duration_s=float(length / rate) if kind == "images" else None,
            codec=pictures[0][1].suffix[1:].lower(),
            pixel_format="rgb24",
            times_from="rate",
        )

    @property
    def info(self) -> VideoInfo:
        """Facts about the pictures."""
        return self._info

    @property
    def lost(self) -> Sequence[Loss]:
        """Pictures that could not be decoded so far; complete after the last frame."""
        return self._losses.entries

    @property
    def repaired_times(self) -> int:
        """Always 0, as the numbers give the times."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield every picture that can be decoded, in order of the numbers."""
        while self._ready or self._advance():
            yield self._ready.popleft()

    def close(self) -> None:
        """End an iteration under way."""
        self._pictures.clear()
        self._ready.clear()

    def _advance(self) -> bool:
        """Read until a frame is ready; return False where no picture is left."""
        while self._pictures and not self._ready:
            index, path = self._pictures.popleft()
            time_s = float(index / self._rate)
            if index <= self._last_index:
                self._losses.add(time_s, "a second picture has the same number")
                continue
            try:
                pixels = self._fitted(read_picture(path))
                damage = picture_damage(path)
            except VideoError as error:
                self._losses.add(time_s, str(error))
                continue
            if damage:
                self._losses.add(time_s, f"the picture may be wrong: {damage}", 0)
            self._last_index = index
            image = PlanarImage((Plane(pixels),), None)
            self._ready.append(
                Frame(index=index, pts=index, time_s=time_s, image=image, damaged=bool(damage))
            )
        return bool(self._ready)

    def _fitted(self, pixels: U8) -> U8:
        """Scale a picture to the first one's size."""
        size = pixels.shape[1], pixels.shape[0]
        if self._size is None:
            self._size = size
        if size == self._size:
            return pixels
        smaller = self._size[0] < size[0] and self._size[1] < size[1]
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return cast("U8", cv2.resize(pixels, self._size, interpolation=method))


def read_picture(path: Path) -> U8:
    """Decode a picture file to (height, width, 3) uint8 RGB, upright; grey, 16-bit and alpha are converted.

    Raises:
        VideoError: the file cannot be read or is not a picture; the message is the reason.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error as error:  # such as for sizes that no picture has
        raise VideoError(f"picture cannot be decoded: {error.err}") from error
    if pixels is None:
        raise VideoError("picture cannot be decoded: it is empty, cut off, damaged or of an unknown format")
    return cast("U8", cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _nothing_decoded(kind: Literal["images", "still"], losses: Sequence[Loss]) -> str:
    reasons = "; ".join(sorted({loss.reason for loss in losses})) or "it holds no numbered pictures"
    return reasons if kind == "still" else f"not one picture of the folder can be decoded: {reasons}"
