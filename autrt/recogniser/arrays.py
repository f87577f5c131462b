"""Pictures in memory: frames, and a decoder that hands out one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

from autrt.types import U8, Frame, Loss, VideoInfo
from autrt.video.planar_image import PlanarImage, Plane

_RATE: Final = Fraction(30)
"""A picture has no rate; this one keeps `VideoInfo` usable."""


def picture_frame(picture: U8, index: int = 0, time_s: float = 0.0) -> Frame:
    """Return a checked picture as a frame.

    Args:
        picture: uint8 (H, W, 3) RGB.
        index: number of the frame.
        time_s: its time, which also gives its pts in microseconds.
    """
    return Frame(
        index=index, pts=round(time_s * 1e6), time_s=time_s, image=PlanarImage((Plane(picture),), None)
    )


class PictureInMemory:
    """An `autrt.types.Decoder` of one picture.

    Args:
        picture: uint8 (H, W, 3) RGB.
    """

    lost: Sequence[Loss] = ()
    repaired_times: int = 0

    def __init__(self, picture: U8) -> None:
        self._frame = picture_frame(picture)
        height, width, _ = picture.shape
        self.info = VideoInfo(
            path=Path("picture in memory"),
            kind="still",
            width=width,
            height=height,
            time_base=1 / _RATE,
            rate=_RATE,
            frame_count=1,
            duration_s=None,
            codec="",
            pixel_format="rgb24",
            times_from="rate",
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield the picture's frame."""
        yield self._frame

    def close(self) -> None:
        """Do nothing: there is no file."""
