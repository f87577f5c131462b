"""The cost of videos as far as it can be told without opening them, so that the longest can be begun first.

Begun last, the longest video of an archive would keep one worker busy while all others have nothing left to do
(Graham 1969, longest processing time first).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from autrt.types import FOLDERS, Source


def longest_first(sources: Sequence[Source]) -> list[Source]:
    """Return the sources in the order of their sizes, the largest first; equal ones stay in order."""
    return sorted(sources, key=_size_bytes, reverse=True)


def _size_bytes(source: Source) -> int:
    """Return the size of a file, or about that of a folder's pictures; 0 where nothing can be read."""
    try:
        if source.kind not in FOLDERS:
            return source.path.stat().st_size
        with os.scandir(source.path) as entries:
            pictures = [entry for entry in entries if entry.is_file()]
        return len(pictures) * pictures[0].stat().st_size if pictures else 0
    except OSError:
        return 0  # `infer` says why
