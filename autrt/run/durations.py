"""The lengths of a run's videos, read in the background."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

from autrt.types import Source
from autrt.video.probe import stated_length_s

AT_ONCE: Final = 16
"""Videos that are read without a pause: enough for a first estimate of the mean."""

MOST: Final = 2000
"""Videos that are read in all: of more, these give the mean."""

_PAUSE: Final = 200
"""Pause after each video, as a multiple of the processor time that it took."""


class DurationSurvey:
    """Reads the stated lengths of videos in a random order, in a thread that takes half a percent of a core.

    Args:
        sources: the videos.
        image_rate: pictures a second, for folders of numbered pictures.
        on_length: called with each video and its length in seconds; None where it states none.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        image_rate: Fraction,
        on_length: Callable[[Source, float | None], object],
    ) -> None:
        order = random.Random(0).sample(range(len(sources)), min(MOST, len(sources)))
        self._sources = [sources[i] for i in order]
        self._image_rate = image_rate
        self._on_length = on_length
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read_all, name="survey", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Start reading; called once the first frame is done, which must never wait for this."""
        if not self._wanted.is_set():
            self._wanted.set()

    def close(self) -> None:
        """Stop reading, without waiting for a slow disk."""
        self._over.set()
        self._wanted.set()
        self._thread.join(1)

    def _read_all(self) -> None:
        self._wanted.wait()
        for i, source in enumerate(self._sources):
            if self._over.is_set():
                return
            cost_s = time.thread_time()
            self._on_length(source, _length_s(source, self._image_rate))
            cost_s = time.thread_time() - cost_s
            self._over.wait(0 if i < AT_ONCE else _PAUSE * cost_s)


def _length_s(source: Source, image_rate: Fraction) -> float | None:
    try:
        return stated_length_s(source, image_rate)
    except Exception:
        return None  # its error is reported when its turn comes
