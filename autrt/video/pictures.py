"""Decoder of pictures: a folder of numbered ones as a video, a single still, or the pages of one file."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

import cv2
import numpy as np

from autrt.errors import VideoError
from autrt.settings import MAX_PIXELS
from autrt.types import U8, Frame, Image, Loss, TimesFrom, VideoInfo
from autrt.video.loss_log import LossLog
from autrt.video.picture_damage import decode_damaged, picture_damage
from autrt.video.pixel_limit import require_pixels
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.shrunk_image import shrunk
from autrt.video.stills.decode_heif import decode_heif
from autrt.video.stills.head import picture_head
from autrt.video.unreadable import system_reason

_NUMBERED: Final = re.compile(r"([0-9]{5,18})\.(jpg|png)", re.ASCII)
"""Names of numbered pictures, as in Aff-Wild2; longer numbers would not fit into 64 bits."""

STILL_RATE: Final = Fraction(30)
"""Frames a second in the `VideoInfo` of a still, which has no rate."""

_NO_PICTURE: Final = "picture cannot be decoded: it is empty, cut off, damaged or of an unknown format"


def picture_number(name: str) -> int | None:
    """Return the number in the name of a numbered picture (00001.jpg); None for other names."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a sequence, not decoded yet."""

    index: int
    """Index of its frame."""
    ticks: int
    """Its time."""
    load: Callable[[], tuple[Image, str]]
    """Decodes it, and returns it with what may be wrong with it, or an empty text; called once, in order. Raises
    VideoError."""


def open_folder(path: Path, rate: Fraction, max_pixels: int = MAX_PIXELS) -> PictureDecoder:
    """Open a folder of numbered pictures.

    The frame index is the picture's number − 1, or its number in a folder with a picture 0; numbers may be missing.

    Args:
        path: the folder.
        rate: pictures a second.
        max_pixels: pictures of more pixels are refused before they are decoded.

    Raises:
        VideoError: the folder cannot be listed, or no picture in it can be decoded.
    """
    files = numbered_files(path)
    pictures = [Picture(index, index, partial(_waiting, file, max_pixels)) for index, file in files]
    return PictureDecoder(path, "images", pictures, rate, codec=codec_of(files))


def numbered_files(path: Path) -> list[tuple[int, Path]]:
    """Return frame index and file of each numbered picture in a folder, in order of the index.

    Raises:
        VideoError: the folder cannot be listed.
    """
    try:
        names = sorted((entry.name for entry in path.iterdir()), key=os.fsencode)
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error
    numbered = [(number, name) for name in names if (number := picture_number(name)) is not None]
    numbered.sort(key=lambda pair: pair[0])
    base = 0 if numbered and numbered[0][0] == 0 else 1
    return [(number - base, path / name) for number, name in numbered]


def codec_of(files: Sequence[tuple[int, Path]]) -> str:
    """Return the format of numbered pictures, by the name of the first; empty where there are none."""
    return files[0][1].suffix[1:].lower() if files else ""


def open_still(path: Path, max_pixels: int = MAX_PIXELS) -> PictureDecoder:
    """Open a single picture, of at most `max_pixels` pixels, as one frame at time 0.

    Raises:
        VideoError: the picture cannot be decoded.
    """
    picture = Picture(0, 0, partial(load_file, path, max_pixels))
    return PictureDecoder(path, "still", [picture], STILL_RATE, codec=path.suffix[1:].lower())


class PictureDecoder:
    """An `autrt.types.Decoder` of pictures that are upright.

    Pictures of another size are scaled to the first one's; unreadable ones are losses.
    """

    def __init__(
        self,
        path: Path,
        kind: Literal["video", "images", "still"],
        pictures: Sequence[Picture],
        rate: Fraction,
        *,
        codec: str,
        time_base: Fraction | None = None,
        times_from: TimesFrom = "rate",
    ) -> None:
        """Decode the first picture.

        Args:
            path: the folder, or the file itself.
            kind: "images" for a folder, "still" for a single picture, "video" for a file of several.
            pictures: in order of the index.
            rate: frames a second, on average.
            codec: format of the pictures.
            time_base: seconds per tick of the pictures' times; by default a frame.
            times_from: origin of these times.

        Raises:
            VideoError: no picture can be decoded.
        """
        self._pictures = deque(pictures)
        self._time_base = time_base or 1 / rate
        self._losses = LossLog()
        self._size: tuple[int, int] | None = None
        self._last_index = -1
        self._ready: deque[Frame] = deque()
        if not self._advance():
            raise VideoError(_nothing_decoded(kind, self._losses.entries))
        image = self._ready[0].image
        length_s = float(pictures[-1].ticks * self._time_base + 1 / rate)
        self._info = VideoInfo(
            path=path,
            kind=kind,
            width=image.width,
            height=image.height,
            time_base=self._time_base,
            rate=rate,
            frame_count=len(pictures),
            duration_s=None if kind == "still" else length_s,
            codec=codec,
            pixel_format="rgb24",
            times_from=times_from,
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
            picture = self._pictures.popleft()
            index, time_s = picture.index, float(picture.ticks * self._time_base)
            if index <= self._last_index:
                self._losses.add(time_s, "a second picture has the same number")
                continue
            try:
                image, damage = picture.load()
                image = self._fitted(image)
            except VideoError as error:
                self._losses.add(time_s, str(error))
                continue
            if damage:
                self._losses.add(time_s, f"the picture may be wrong: {damage}", 0)
            self._last_index = index
            self._ready.append(
                Frame(
                    index=index,
                    pts=picture.ticks,
                    time_s=time_s,
                    image=image,
                    damaged=bool(damage),
                )
            )
        return bool(self._ready)

    def _fitted(self, image: Image) -> Image:
        """Scale a picture to the first one's size."""
        size = image.width, image.height
        if self._size is None:
            self._size = size
        if size == self._size:
            return image
        smaller = self._size[0] < size[0] and self._size[1] < size[1]
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return as_image(cast("U8", cv2.resize(image.rgb(), self._size, interpolation=method)))


def as_image(pixels: U8) -> PlanarImage:
    """Return (height, width, 3) uint8 RGB as an image, without copying it."""
    return PlanarImage((Plane(pixels),), None)


def load_file(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[Image, str]:
    """Decode a picture file, upright; HEIC and AVIF stay in their own planes.

    Returns:
        The picture, and what may be wrong with it, or an empty text.

    Raises:
        VideoError: the file cannot be read, is not a picture, or has too many pixels; the message is the reason.
    """
    data = _read(path)
    head = picture_head(data)
    if head is None:
        raise VideoError(_NO_PICTURE)
    require_pixels(head.width, head.height, max_pixels)
    if head.format == "heif":
        return decode_heif(path, data, max_pixels), ""
    damage = picture_damage(data)
    pixels = decode_damaged(data) if damage else None
    if pixels is None:
        pixels = decode_pixels(np.frombuffer(data, np.uint8))
    return as_image(head.way.upright(pixels)), damage


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error


def read_picture(path: Path) -> U8:
    """Decode a picture file to (height, width, 3) uint8 RGB, upright; grey, 16-bit and alpha are converted.

    Raises:
        VideoError: the file cannot be read or is not a picture; the message is the reason.
    """
    return load_file(path)[0].rgb()


def decode_pixels(data: U8) -> U8:
    """Decode the bytes of a picture file to (height, width, 3) uint8 RGB as it is stored; TIFF is turned upright.

    Raises:
        VideoError: it is not a picture, or damaged.
    """
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:  # such as for sizes that no picture has
        raise VideoError(f"picture cannot be decoded: {error.err}") from error
    if pixels is None:
        raise VideoError(_NO_PICTURE)
    return cast("U8", cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels))


def _waiting(path: Path, max_pixels: int) -> tuple[Image, str]:
    """Load a picture of a sequence, in which a large one waits for others at half its size."""
    image, damage = load_file(path, max_pixels)
    return shrunk(image) if isinstance(image, PlanarImage) else image, damage


def _nothing_decoded(kind: Literal["video", "images", "still"], losses: Sequence[Loss]) -> str:
    reasons = "; ".join(sorted({loss.reason for loss in losses})) or "it holds no numbered pictures"
    return reasons if kind != "images" else f"not one picture of the folder can be decoded: {reasons}"
