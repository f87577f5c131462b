"""Growth of time and memory with the length of a video, the number of videos, and the number of faces."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autrt.types import Source
from autrt.video.probe import probe
from autrt_bench.inputs.clips import ClipVariant, demo_clip, make_longer, make_variant
from autrt_bench.measure.infer_command import PEAK, SPEED, infer
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Turn, Values

PER_MINUTE: Final = Metric(name="time per minute", unit="s", better="lower")
CROPS: Final = Metric(name="faces", unit="faces/s", better="higher")
PEAK_RATIO: Final = Metric(name="memory growth", unit="×", better="lower")
TIME_RATIO: Final = Metric(name="time growth", unit="×", better="lower")
"""Peak memory and time per minute, relative to the shortest video."""

LONG_REPEATS: Final = 3
"""Enough for hours of video, where the question is whether memory grows."""

FACES_MAX: Final = 5


def scaling(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure `autrt infer` in a process of its own for each case."""
    clip = settings.clips[0] if settings.clips else demo_clip(settings.log)
    infer([clip], settings)  # fills the engine cache
    yield _lengths(clip, settings, (0.5, 1) if settings.quick else (1, 5, 20, 60))
    with TemporaryDirectory(prefix="autrt-bench-") as folder:
        yield _videos(clip, settings, Path(folder), (1, 2) if settings.quick else (1, 2, 4, 8))
    yield _faces(clip, settings, (1, 3) if settings.quick else tuple(range(1, FACES_MAX + 1)))


def _lengths(clip: Path, settings: BenchSettings, minutes: tuple[float, ...]) -> Group:
    def repeat(video: Path, lasts_s: float) -> Values:
        done = infer([video], settings)
        return {
            PER_MINUTE: 60 * done.run_s / lasts_s,
            SPEED: done.frames / done.run_s,
            PEAK: done.peak_mb,
        }

    videos = {m: make_longer(clip, m, settings.log) for m in minutes}
    cases = [Case(f"{m:g} min", partial(repeat, video, _duration_s(video))) for m, video in videos.items()]
    return Group(cases=cases, derive=_grown, max_repeats=LONG_REPEATS, warm_up=False)


def _duration_s(video: Path) -> float:
    """Return the length of a clip; whole repeats make it differ from the requested one."""
    return probe(Source(video, video.name, "video")).duration_s or 1.0


def _grown(turn: Turn) -> Turn:
    """Return the growth of the later cases relative to the first."""
    first, *others = turn
    return {
        name: {
            PEAK_RATIO: turn[name][PEAK] / turn[first][PEAK],
            TIME_RATIO: turn[name][PER_MINUTE] / turn[first][PER_MINUTE],
        }
        for name in others
    }


def _videos(clip: Path, settings: BenchSettings, folder: Path, counts: tuple[int, ...]) -> Group:
    for count in counts:
        (folder / str(count)).mkdir()
        for number in range(count):
            shutil.copy(clip, folder / str(count) / f"{number}{clip.suffix}")
    return Group(
        cases=[
            Case(f"{n} videos" if n > 1 else "1 video", _speed([folder / str(n)], settings)) for n in counts
        ],
        warm_up=False,
    )


def _faces(clip: Path, settings: BenchSettings, counts: tuple[int, ...]) -> Group:
    """Measure the same clip several times in one picture of one size, the rest grey."""
    recipes = {n: ClipVariant(width=1920, height=720, faces=n, columns=3, rows=2) for n in counts}
    videos = {n: make_variant(clip, recipe, settings.log) for n, recipe in recipes.items()}
    return Group(
        cases=[Case(f"{n} faces" if n > 1 else "1 face", _speed([v], settings)) for n, v in videos.items()],
        warm_up=False,
    )


def _speed(inputs: list[Path], settings: BenchSettings) -> Callable[[], Values]:
    def repeat() -> Values:
        done = infer(inputs, settings)
        return {SPEED: done.frames / done.run_s, CROPS: done.faces / done.run_s, PEAK: done.peak_mb}

    return repeat
