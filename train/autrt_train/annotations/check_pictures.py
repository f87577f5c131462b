"""A check of pictures by decoding them: those that training would refuse, and those of another size."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from autrt.storage.escape import escape
from autrt.types import I64
from autrt_train.annotations.data_issues import EXAMPLES
from autrt_train.annotations.map_files import map_files
from autrt_train.annotations.stage_progress import Progress
from autrt_train.loading.read_picture import file_side_px, picture_side_px, read_pixels
from autrt_train.types import DataError, Index


@dataclass(slots=True)
class Examples:
    """A count of lines, and the first of them."""

    count: int = 0
    lines: list[str] = field(default_factory=list[str])

    def add(self, line: str) -> None:
        """Count a line."""
        self.count += 1
        if len(self.lines) < EXAMPLES:
            self.lines.append(line)

    def as_dict(self) -> dict[str, Any]:
        """Return the count and the examples as JSON values."""
        return {"count": self.count, "examples": self.lines}


def sample_rows(count: int, sample: int | None, seed: int) -> I64:
    """Return the increasing rows of a sample of `count` rows, drawn by `seed`; all rows where `sample` is None."""
    if sample is None or sample >= count:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng([seed]).choice(count, sample, replace=False)).astype(np.int64)


def check_pictures(index: Index, sample: int | None, seed: int, progress: Progress) -> dict[str, Any]:
    """Decode a sample of pictures; return counts and examples of the unreadable ones and of other sizes."""
    rows = sample_rows(len(index), sample, seed)
    sizes: set[tuple[int, int]] = set()
    unreadable, other_size = Examples(), Examples()
    advance = partial(progress, "pictures decoded", total=len(rows))
    for row, found in zip(rows.tolist(), map_files(partial(_size_px, index), rows, advance), strict=True):
        if isinstance(found, DataError):
            unreadable.add(str(found))
            continue
        sizes.add(found)
        side = file_side_px(index, row)
        if found != (side, side):
            other_size.add(f"{escape(str(index.path(row)))}: {found[0]}×{found[1]}")
    return {
        "looked_at": len(rows),
        "expected_px": picture_side_px(index),
        "sizes_px": [f"{w}×{h}" for w, h in sorted(sizes)[:EXAMPLES]],
        "unreadable": unreadable.as_dict(),
        "other_size": other_size.as_dict(),
    }


def _size_px(index: Index, row: int) -> tuple[int, int] | DataError:
    """Return a picture's width and height, or the reason that training would refuse it."""
    try:
        height, width, _ = read_pixels(index, row).shape
    except DataError as error:
        return error
    return width, height
