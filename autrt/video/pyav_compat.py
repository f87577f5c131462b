"""What PyAV's releases from 14.2 to 19 do differently, in one place; all else of it is used as it is."""

from __future__ import annotations

from fractions import Fraction
from numbers import Rational
from typing import Any, Final

import av

_RELEASE: Final = int(av.__version__.partition(".")[0])

LENIENT_METADATA: Final[dict[str, Any]] = {"metadata_errors": "replace"} if _RELEASE < 19 else {}
"""Arguments with which `av.open` bears metadata that are no UTF-8: from 19 on it always does."""

ONE_THREAD: Final[dict[str, Any]] = {"threads": 1} if _RELEASE >= 17 else {}
"""Arguments with which a `VideoReformatter` stays in its caller's thread: before 17 it knew no other way."""


def exact(number: Rational | None) -> Fraction | None:
    """Return PyAV's rational number as a Fraction, or None where nothing is known.

    Until 18 these are Fractions or None. From 19 on they are 32-bit numbers of its own that round where they are
    multiplied with each other, and say 0/1, 0/0 or 1/0 for what is not known.

    Args:
        number: a time base, rate or aspect, none of which can be zero.
    """
    return Fraction(int(number.numerator), int(number.denominator)) if number else None
