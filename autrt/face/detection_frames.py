"""Choice of a video's detection frames by elapsed time."""

from __future__ import annotations

from typing import Final

from autrt.settings import DetectionInterval

_TIE_S: Final = 2e-3
_TIE_STEPS: Final = 0.03
"""A frame is just half a frame early if it is by less than both: stamps may be in milliseconds."""


class DetectionFrames:
    """Chooses the regular detection frames of one video, without regard to its shots.

    By time, the next one is the first that comes at most half a frame before one interval after the last: of frames
    that come at one rate, every K-th, where K is the interval in frames, rounded. By number alone (`seconds` is
    None), it is every frame whose index is a multiple of `frames`.

    Args:
        interval: distance from one detection frame to the next.
    """

    def __init__(self, interval: DetectionInterval) -> None:
        self._interval = interval
        self._before_s = 0.0
        self._last: tuple[int, float] | None = None

    def next_is(self, index: int, time_s: float) -> bool:
        """Return whether the next frame is a detection frame; to be called with every frame, in order.

        Args:
            index: of the frame.
            time_s: its time in seconds.
        """
        chosen = self._is_due(index, time_s)
        self._before_s = time_s
        if chosen:
            self._last = index, time_s
        return chosen

    def _is_due(self, index: int, time_s: float) -> bool:
        most, interval_s = self._interval.frames, self._interval.seconds
        if interval_s is None:
            return most is not None and index % most == 0
        if self._last is None:
            return True
        last, last_s = self._last
        count = index - last
        if most is not None and count >= most:
            return True
        step_s = time_s - self._before_s
        late_s = time_s - last_s - (interval_s - step_s / 2)
        tie_s = min(_TIE_S, _TIE_STEPS * step_s)
        return late_s > tie_s or (late_s >= -tie_s and count % 2 == 0)  # as `round` decides ties
