"""Smoothing of a live stream: means over the past alone."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from autrt.model.folder import Model
from autrt.postprocess.smooth import WINDOW_RATE, longest_step_s
from autrt.recogniser.scores import to_smooth
from autrt.types import F32, I32

_TOLERANCE_S: Final = 1 / (4 * WINDOW_RATE)
"""Added to a window, as times of a camera vary."""

_INTERVALS: Final = 31
"""Last frame intervals whose median says what a gap is."""


class TrailingSmoother:
    """Means over the last w frames at 30 frames/s, for each track and Action Unit.

    A window crosses no gap (`longest_step_s`).

    Args:
        model: windows, and the domain that is smoothed.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._reach_s = (model.smoothing_windows - 1) / WINDOW_RATE + _TOLERANCE_S
        self._past: dict[int, deque[tuple[float, F32]]] = {}
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._last_s: float | None = None

    def smooth(self, track: I32, time_s: float, logits: F32) -> F32:
        """Add the faces of the next frame and return their (F, A) smoothed values of `scores.to_smooth`.

        Args:
            track: (F,) int32.
            time_s: of the frame, later than all before.
            logits: (F, A) float32.
        """
        if self._last_s is not None:
            self._intervals.append(time_s - self._last_s)
        self._last_s = time_s
        self._drop_lost(time_s)
        values = to_smooth(self._model, logits)
        faces = zip(track.tolist(), values, strict=True)
        means = [self._smooth_face(number, time_s, value) for number, value in faces]
        return np.array(means, np.float32).reshape(logits.shape)

    def _drop_lost(self, time_s: float) -> None:
        gap_s = longest_step_s(float(np.median(self._intervals)) if self._intervals else 0.0)
        self._past = {number: past for number, past in self._past.items() if time_s - past[-1][0] <= gap_s}

    def _smooth_face(self, number: int, time_s: float, value: F32) -> F32:
        past = self._past.setdefault(number, deque())
        past.append((time_s, value))
        while time_s - past[0][0] > self._reach_s.max():
            past.popleft()
        ages_s = time_s - np.array([at_s for at_s, _ in past])
        values = np.stack([value for _, value in past]).astype(np.float64)
        within = ages_s[:, None] <= self._reach_s
        return ((values * within).sum(axis=0) / within.sum(axis=0)).astype(np.float32)
