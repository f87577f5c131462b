"""The one door to all decoders."""

from __future__ import annotations

from fractions import Fraction

from autrt.types import Decoder, Source
from autrt.video.pictures import open_folder, open_still
from autrt.video.pyav import PyavDecoder


def open_decoder(source: Source, *, image_rate: Fraction = Fraction(30), threads: int = 1) -> Decoder:
    """Open a source and decode its first frame.

    Args:
        source: what discovery found.
        image_rate: pictures a second, for folders of numbered pictures.
        threads: how many threads may decode; they change nothing but the speed.

    Raises:
        VideoError: nothing of it can be read; the message is the reason.
    """
    if source.kind == "images":
        return open_folder(source.path, image_rate)
    if source.kind == "still":
        return open_still(source.path)
    return PyavDecoder(source.path, threads)
