"""Differences between PyAV's releases from 14.2 to 19."""

from __future__ import annotations

from fractions import Fraction
from numbers import Rational
from typing import Any, Final

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

_RELEASE: Final = tuple(int(part) for part in av.__version__.split(".")[:2])

LENIENT_METADATA: Final[dict[str, Any]] = {"metadata_errors": "replace"} if _RELEASE < (19,) else {}
"""Arguments that let `av.open` accept metadata that are not UTF-8, as releases from 19 on always do."""

ONE_THREAD: Final[dict[str, Any]] = {"threads": 1} if _RELEASE >= (17,) else {}
"""Arguments that keep a `VideoReformatter` in its caller's thread, as releases before 17 always do."""

LOG_IS_CHEAP: Final = _RELEASE >= (17, 1)
"""Whether messages below the level that was asked for are dropped without the interpreter's lock."""


_UNSPECIFIED: Final = 2


def exact(number: Rational | None) -> Fraction | None:
    """Return one of PyAV's rational numbers as a Fraction; None where it is unknown.

    Until release 18 they are Fractions or None. From 19 on they are a type with 32-bit terms, whose products are
    rounded, and 0/1, 0/0 or 1/0 stands for an unknown number.

    Args:
        number: a time base, rate or aspect, none of which can be zero.
    """
    return Fraction(int(number.numerator), int(number.denominator)) if number else None


def transfer_of(frame: VideoFrame, context: VideoCodecContext | None = None) -> int:
    """Return a frame's transfer characteristics (ITU-T H.273); of its decoder's `context` where it has none."""
    return getattr(frame, "color_trc", None) or getattr(context, "color_trc", _UNSPECIFIED)


def primaries_of(frame: VideoFrame, context: VideoCodecContext | None = None) -> int:
    """Return a frame's colour primaries (ITU-T H.273); see `transfer_of`."""
    return getattr(frame, "color_primaries", None) or getattr(context, "color_primaries", _UNSPECIFIED)
