"""Start-up time of the command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autrt_bench.inputs.clips import demo_clip
from autrt_bench.measure.command import autrt
from autrt_bench.measure.infer_command import PEAK, infer
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

TIME: Final = Metric(name="time", unit="s", better="lower")
FIRST_FRAME: Final = Metric(name="to the first frame", unit="s", better="lower")


def startup(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure `autrt --help`, and `autrt infer` with cached engines until the first frames are done."""
    clip = settings.clips[0] if settings.clips else demo_clip(settings.log)

    def help_() -> Values:
        cost = autrt("--help")
        return {TIME: cost.wall_s, PEAK: cost.peak_bytes / 1e6}

    def first_frame() -> Values:
        done = infer([clip], settings)
        return {FIRST_FRAME: done.first_frame_s, PEAK: done.peak_mb}

    yield Group(cases=[Case("autrt --help", help_), Case("autrt infer", first_frame)])
