"""Checks of the pictures and times that users stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from numbers import Real
from typing import Any, Final

import numpy as np

from autrt.errors import UsageError
from autrt.recogniser.checked_picture import checked_picture
from autrt.types import U8

_EXPECTED: Final = "stream: expected pairs of a picture and its time in seconds"


def timed_pictures(frames: Iterable[tuple[Any, float]]) -> Iterator[tuple[U8, float]]:
    """Yield checked pictures with their times; each is taken only when it is asked for.

    Args:
        frames: pairs of a picture, uint8 (H, W, 3) RGB, and its time in seconds, which must increase.

    Raises:
        UsageError: they are something else, or times do not increase.
    """
    try:
        pairs = iter(frames)
    except TypeError as error:
        raise UsageError(f"{_EXPECTED}, found {_kind(frames)}") from error
    last_s = -math.inf
    for pair in pairs:
        picture, time_s = _checked_pair(pair)
        if time_s <= last_s:
            raise UsageError(f"stream: expected times that increase, found {time_s} s after {last_s} s")
        last_s = time_s
        yield checked_picture(picture), time_s


def _checked_pair(pair: Any) -> tuple[Any, float]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise UsageError(f"{_EXPECTED}, found {_kind(pair)}")
    picture, time_s = pair
    if isinstance(time_s, bool) or not isinstance(time_s, Real):
        raise UsageError(f"{_EXPECTED}, found a pair of {_kind(picture)} and {_kind(time_s)}")
    if not math.isfinite(time_s):
        raise UsageError(f"stream: expected a finite time in seconds, found {time_s}")
    return picture, float(time_s)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {'×'.join(map(str, value.shape)) or '()'}"
    return f"a {type(value).__name__}" if isinstance(value, tuple | list) else repr(value)
