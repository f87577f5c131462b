"""A cheap look at a source: the facts about it, at the cost of its first frame."""

from __future__ import annotations

from fractions import Fraction

from autrt.types import Source, VideoInfo
from autrt.video.open import open_decoder


def probe(source: Source, image_rate: Fraction = Fraction(30)) -> VideoInfo:
    """The facts about a source, at the cost of its first frame.

    Args:
        source: what discovery found.
        image_rate: pictures a second, for folders of numbered pictures.

    Raises:
        VideoError: nothing of it can be read; the message is the reason.
    """
    decoder = open_decoder(source, image_rate=image_rate)
    try:
        return decoder.info
    finally:
        decoder.close()
