"""How the elements of a container are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How the elements of a file are told."""

    length: Callable[[bytes], int | None]
    """Returns the length in bytes of the element, or elements, that data begin with; None where that is none."""
    head_bytes: int = 16
    """Bytes of data by which it tells."""
    first: int = 0
    """Position of the first element."""
    mark: bytes = b""
    """What elements can be found by after damage; none can where it is empty."""
    may_lack_bytes: int = 0
    """Length of what the last element may lack as a whole without a loss."""
