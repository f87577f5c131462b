"""The last lines of a terminal, redrawn in place."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from tqdm.utils import disp_len, disp_trim


def terminal_size() -> tuple[int, int]:
    """Return the columns and lines of the terminal behind stderr."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        columns, lines = 80, 24
    return columns or 80, lines or 24


class Region:
    """Redraws lines at the end of a terminal's output; nothing else may write to the terminal meanwhile.

    Every change is one write, so that it does not flicker, and every line is shorter than the terminal is wide.

    Args:
        put: writes to the terminal.
        size: returns its present columns and lines.
    """

    def __init__(self, put: Callable[[str], object], size: Callable[[], tuple[int, int]]) -> None:
        self._put = put
        self._size = size
        self._drawn: list[str] = []

    @property
    def columns(self) -> int:
        """Columns that a line may have."""
        return max(1, self._size()[0] - 1)

    def draw(self, lines: Sequence[str], above: str | None = None) -> None:
        """Draw lines in place of the last ones.

        Args:
            lines: to be redrawn later.
            above: printed above them, for good.
        """
        columns, height = self.columns, max(1, self._size()[1] - 1)
        fitting = [disp_trim(line, columns) for line in lines[:height]]
        kept = "" if above is None else f"{above}\x1b[K\n"
        body = "\n".join(f"{line}\x1b[K" for line in fitting)
        self._put(f"{self._back()}{kept}{body}\x1b[J")
        self._drawn = fitting

    def close(self) -> None:
        """Leave the lines as they are, with the cursor below them."""
        if self._drawn:
            self._put("\n")
        self._drawn = []

    def _back(self) -> str:
        """Return the codes that move to the start of the first line; a terminal made narrower has wrapped lines."""
        columns = max(1, self._size()[0])
        rows = sum(max(1, -(-disp_len(line) // columns)) for line in self._drawn)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")
