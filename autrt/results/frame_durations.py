"""How long each frame of a results file lasts, by the frames' own times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autrt.postprocess.smooth import longest_step_s, median_interval_s
from autrt.types import F64

if TYPE_CHECKING:
    from autrt.results.reader import Results


def frame_interval_s(results: Results) -> float:
    """Return the median frame interval; of a single frame, the one that its video states."""
    if results.n_frames < 2:
        return 1 / results.header.video.rate_hz
    return median_interval_s(results.frames["time_s"])


def frame_durations_s(results: Results, frames: slice, interval_s: float) -> F64:
    """Return the (n,) float64 durations of some frames in seconds: one interval before a gap (see `smooth`)."""
    times = results.frames["time_s", frames.start : frames.stop + 1]
    steps = np.diff(times, append=times[-1:] + interval_s)[: frames.stop - frames.start]
    return np.where(steps > longest_step_s(interval_s), interval_s, steps)
