"""Detection frames by elapsed time: every K-th where frames come at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autrt.face.detection_frames import DetectionFrames
from autrt.settings import DetectionInterval, InferSettings

BALANCED = InferSettings().detection_interval
FAST = InferSettings(quality="fast").detection_interval
MAX = InferSettings(quality="max").detection_interval


def chosen(times_s: Sequence[float], interval: DetectionInterval) -> list[int]:
    frames = DetectionFrames(interval)
    return [i for i, time_s in enumerate(times_s) if frames.next_is(i, time_s)]


@settings(max_examples=40)
@given(rate=st.fractions(1, 240, max_denominator=1001), interval=st.sampled_from([BALANCED, FAST, MAX]))
def test_constant_rate_gives_every_kth_frame(rate: Fraction, interval: DetectionInterval) -> None:
    assert interval.seconds is not None
    assume(abs(interval.seconds * rate % 1 - 0.5) > 0.04)  # between two numbers of frames: below
    every = interval.frames_at(rate)
    assert chosen([float(i / rate) for i in range(200)], interval) == list(range(0, 200, every))


@pytest.mark.parametrize("rate", [2.5, 5, 7.5, 12, 12.5, 15, 17.5, 18, 20, 24, 25, 30, 48, 50, 60, 120, 240])
@pytest.mark.parametrize("base", [1000, 90_000])
def test_rates_in_use_give_every_kth_frame_in_rounded_ticks_too(rate: float, base: int) -> None:
    times_s = [round(i * base / rate) / base for i in range(150)]
    for interval in (BALANCED, FAST, MAX):
        every = interval.frames_at(Fraction(rate))
        assert chosen(times_s, interval) == list(range(0, 150, every)), interval


@settings(max_examples=40)
@given(st.lists(st.floats(0.001, 1.5), min_size=1, max_size=100))
def test_varying_rate_gives_frames_at_about_the_interval(steps_s: list[float]) -> None:
    times_s = [0.0]
    for step_s in steps_s:
        times_s.append(times_s[-1] + step_s)
    found = chosen(times_s, BALANCED)
    assert found[0] == 0
    for a, b in pairwise([*found, len(times_s)]):
        assert all(times_s[i] - times_s[a] < 0.2 for i in range(a + 1, b))
        if b < len(times_s):
            after_s, before_s = times_s[b] - times_s[a] - 0.2, 0.2 - (times_s[b - 1] - times_s[a])
            assert (
                after_s >= -before_s - 0.004
            )  # if early, nearer to the interval's end than the frame before


def test_given_number_of_frames_counts_frames() -> None:
    assert chosen([i / 1000 for i in range(20)], DetectionInterval(frames=6)) == [0, 6, 12, 18]
    assert chosen([i * 10.0 for i in range(20)], InferSettings(detect_every=7).detection_interval) == [
        0,
        7,
        14,
    ]


def test_most_frames_hold_however_fast_they_come() -> None:
    assert chosen([i / 1000 for i in range(13)], MAX) == [0, 4, 8, 12]
    assert chosen([i * 0.15 for i in range(5)], MAX) == [0, 1, 2, 3, 4]
