"""The last lines of a terminal, drawn over and over."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from tqdm.utils import disp_len, disp_trim


def terminal_size() -> tuple[int, int]:
    """Columns and lines of the terminal behind stderr."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        columns, lines = 80, 24
    return columns or 80, lines or 24


class Region:
    """Some lines at the end of what a terminal shows; nothing else may write to it meanwhile.

    Every change is one write, so that it does not flicker, and no line is as long as the terminal is wide.

    Args:
        put: writes to the terminal.
        size: its columns and lines at the moment.
    """

    def __init__(self, put: Callable[[str], object], size: Callable[[], tuple[int, int]]) -> None:
        self._put = put
        self._size = size
        self._drawn: list[str] = []

    @property
    def columns(self) -> int:
        """How long a line may be."""
        return max(1, self._size()[0] - 1)

    def draw(self, lines: Sequence[str], above: str | None = None) -> None:
        """Put these lines in place of the last ones, and on request a line above them, for good."""
        columns, height = self.columns, max(1, self._size()[1] - 1)
        fitting = [disp_trim(line, columns) for line in lines[:height]]
        kept = "" if above is None else f"{above}\x1b[K\n"
        body = "\n".join(f"{line}\x1b[K" for line in fitting)
        self._put(f"{self._back()}{kept}{body}\x1b[J")
        self._drawn = fitting

    def close(self) -> None:
        """Leave the lines where they are, and the cursor below them."""
        if self._drawn:
            self._put("\n")
        self._drawn = []

    def _back(self) -> str:
        """To the beginning of the first line; a terminal that was made narrower has broken lines into several."""
        columns = max(1, self._size()[0])
        rows = sum(max(1, -(-disp_len(line) // columns)) for line in self._drawn)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")
