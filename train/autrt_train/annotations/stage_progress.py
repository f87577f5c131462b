"""Progress of a check that goes through many files, in stages."""

from __future__ import annotations

import json
import sys
import time
from typing import Final, Protocol, TextIO

from autrt.console import Mode

EVERY_S: Final = 5.0
"""Time between two lines."""


class Progress(Protocol):
    """Function that is told how far a check is."""

    def __call__(self, stage: str, done: int, *, total: int) -> object:
        """Count items.

        Args:
            stage: the items, such as "pictures decoded".
            done: items that are newly done.
            total: items of the stage.
        """
        ...


def unreported(stage: str, done: int, *, total: int) -> None:
    """Do nothing."""


class StageProgress:
    """Prints a line every few seconds.

    Args:
        mode: auto and plain write text to standard error, json writes JSON lines to standard output.
    """

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._stage = ""
        self._done = 0
        self._next_s = time.monotonic() + EVERY_S

    def __call__(self, stage: str, done: int, *, total: int) -> None:
        """Count items; see `Progress`."""
        self._done = done if stage != self._stage else self._done + done
        self._stage = stage
        if self._mode == "none" or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + EVERY_S
        if self._mode == "json":
            self._put(
                sys.stdout,
                json.dumps({"event": "progress", "stage": stage, "done": self._done, "total": total}),
            )
        else:
            self._put(sys.stderr, f"{stage}: {self._done:,} of {total:,} ({100 * self._done / total:.0f} %)")

    @staticmethod
    def _put(stream: TextIO, line: str) -> None:
        print(line, file=stream, flush=True)
