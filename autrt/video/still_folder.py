"""Decoder of the stills of a folder: pictures of any sizes that have nothing to do with each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from autrt.errors import VideoError
from autrt.settings import MAX_PIXELS
from autrt.types import Frame, Loss, Stills, VideoInfo
from autrt.video.file_kind import kind_of_file
from autrt.video.loss_log import LossLog
from autrt.video.pictures import PictureDecoder, open_still
from autrt.video.stills.head import stated_pixels
from autrt.video.unreadable import check_file, system_reason

STILLS_RATE: Final = Fraction(5)
"""Stills a second in the `VideoInfo` of a folder: one costs about as much as 0.2 s of video."""


class StillFolder:
    """An `autrt.types.Decoder` of a folder's stills in bytewise order of their names, each of its own size.

    The index of a frame is the picture's place in that order. A picture has no time; times count pictures, so that
    they increase. One that cannot be decoded is a loss. `open_one` serves those who want pictures out of turn.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        """List the folder, and decode pictures up to the first that can be.

        Args:
            path: the folder.
            max_pixels: pictures of more pixels are losses.

        Raises:
            VideoError: the folder cannot be listed, or no picture in it can be decoded.
        """
        self._files, self._max_pixels = still_files(path), max_pixels
        names = tuple(file.name for file in self._files)
        self.stills = Stills(names, np.zeros((len(names), 2), np.int32))
        """Names and sizes of the pictures."""
        self._losses = LossLog()
        self._closed = False
        first = self._first(path)
        self._info = VideoInfo(
            path=path,
            kind="stills",
            width=first.width,
            height=first.height,
            time_base=1 / STILLS_RATE,
            rate=STILLS_RATE,
            frame_count=len(names),
            duration_s=None,
            codec=first.codec,
            pixel_format=first.pixel_format,
            times_from="rate",
        )

    @property
    def info(self) -> VideoInfo:
        """Facts about the first picture, and how many there are."""
        return self._info

    @property
    def lost(self) -> Sequence[Loss]:
        """Pictures that could not be decoded so far."""
        return self._losses.entries

    @property
    def repaired_times(self) -> int:
        """Always 0."""
        return 0

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        """Yield every picture that can be decoded."""
        for index in range(len(self)):
            if self._closed:
                return
            try:
                still = self.open_one(index)
            except VideoError as error:
                self.lose(index, str(error))
                continue
            with closing(still):
                (frame,) = still
                for loss in still.lost:
                    self.lose(index, loss.reason, loss.packets)
            time_s = float(index / STILLS_RATE)
            yield Frame(index=index, pts=index, time_s=time_s, image=frame.image, damaged=frame.damaged)

    def close(self) -> None:
        """End an iteration under way."""
        self._closed = True

    def open_one(self, index: int) -> PictureDecoder:
        """Open one picture, as `open_still` does, and note its size. Threads may open several at once.

        Raises:
            VideoError: it cannot be decoded.
        """
        check_file(self._files[index])  # says best why it cannot be read, and opens no pipe
        still = open_still(self._files[index], self._max_pixels)
        self.stills.sizes_px[index] = still.info.width, still.info.height
        return still

    def pixels(self, index: int) -> int:
        """Return the pixels of one picture as its head states, without decoding; 0 where that cannot be read."""
        return stated_pixels(self._files[index])

    def lose(self, index: int, reason: str, packets: int = 1) -> None:
        """Note a picture that cannot be decoded, or (0 packets) may be wrong."""
        self._losses.add(float(index / STILLS_RATE), f"{self._files[index].name}: {reason}", packets)

    def _first(self, path: Path) -> VideoInfo:
        reasons: set[str] = set()
        for index in range(len(self)):
            try:
                with closing(self.open_one(index)) as still:
                    return still.info
            except VideoError as error:
                reasons.add(str(error))
        found = "; ".join(sorted(reasons)) or "it holds none"
        raise VideoError(f"not one picture of the folder {path.name!r} can be decoded: {found}")


def still_files(path: Path) -> list[Path]:
    """Return the stills in a folder, without its subfolders, hidden and animated ones, in bytewise order.

    Raises:
        VideoError: the folder cannot be listed.
    """
    try:
        files = [file for file in path.iterdir() if not file.name.startswith(".")]
    except OSError as error:
        raise VideoError(system_reason(path, error)) from error
    stills = (file for file in files if not file.is_dir() and kind_of_file(file) == "still")
    return sorted(stills, key=lambda file: os.fsencode(file.name))
