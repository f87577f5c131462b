"""The clock that makes a stream's time stamps increase: what it repairs, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.video.clock import StampClock
from autrt.video.timing import measured_rate

steps = st.lists(st.integers(40, 80), min_size=2, max_size=30)
"""Distances of frames that vary, without gaps."""


def clock(start: Fraction = Fraction(0), rate: int = 25) -> StampClock:
    return StampClock(Fraction(1, 1000), Fraction(rate), start)


def ticks_of(one: StampClock, stamps: Iterable[int | None]) -> list[int]:
    return [ticks for stamp in stamps for ticks, _ in one.add(stamp)] + [ticks for ticks, _ in one.finish()]


def counted(first: int, steps: list[int]) -> list[int]:
    return [*accumulate(steps, initial=first)]


def distances(ticks: Iterable[int]) -> list[int]:
    return [b - a for a, b in pairwise(ticks)]


@given(
    stamps=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-100, 100_000), max_size=60),
    base=st.sampled_from(
        [Fraction(1, 1000), Fraction(1, 90_000), Fraction(1, 10**9), Fraction(1001, 30_000), Fraction(1)]
    ),
    rate=st.fractions(Fraction(1, 3600), 1000),
    start=st.fractions(-1000, 1_000_000),
)
def test_any_stamps_give_increasing_times(
    stamps: list[int | None], base: Fraction, rate: Fraction, start: Fraction
) -> None:
    one = StampClock(base, rate, start)
    times = [time for stamp in stamps for time in one.add(stamp)] + [*one.finish()]
    assert len(times) == len(stamps)
    for (ticks, time_s), (later, later_s) in pairwise(times):
        assert ticks < later
        assert time_s < later_s
    for ticks, time_s in times:
        assert -(2**63) <= ticks < 2**63
        assert time_s == pytest.approx(float(ticks * base - one.start))
    assert one.repaired >= sum(ticks != stamp for (ticks, _), stamp in zip(times, stamps, strict=True))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 10**9), unique=True, min_size=1))
def test_increasing_stamps_are_kept(stamps: list[int]) -> None:
    one = clock()
    assert ticks_of(one, sorted(stamps)) == sorted(stamps)
    assert one.repaired == 0


@settings(max_examples=40)
@given(steps, st.sets(st.integers(1, 200)))
def test_missing_stamps_of_a_constant_rate_are_filled_in(steps: list[int], missing: set[int]) -> None:
    true = counted(0, [steps[0]] * 100)
    stamps = [None if i in missing and i > 1 else stamp for i, stamp in enumerate(true)]
    assert ticks_of(clock(rate=steps[1]), stamps) == true


@settings(max_examples=40)
@given(steps, st.integers(1, 60))
def test_frames_before_the_first_stamp_are_one_frame_apart(steps: list[int], before: int) -> None:
    stamps = counted(5000, steps)
    one = clock(Fraction(5))
    one.begin_before(stamps[0], before)
    ticks = ticks_of(one, [None] * before + stamps)
    assert ticks[before:] == stamps
    assert distances(ticks[: before + 1]) == [40] * before
    assert one.seconds(ticks[0]) == 0
    assert one.repaired == before


@settings(max_examples=40)
@given(steps, st.data())
def test_one_wrong_stamp_leaves_the_others_true(steps: list[int], data: st.DataObject) -> None:
    stamps = counted(0, steps)
    at = data.draw(st.integers(1, len(steps) - 1))
    wrong = data.draw(st.integers(-100_000, stamps[at - 1]))
    one = clock()
    ticks = ticks_of(one, [*stamps[:at], wrong, *stamps[at + 1 :]])
    assert [*ticks[:at], *ticks[at + 1 :]] == [*stamps[:at], *stamps[at + 1 :]]
    assert one.repaired == 1


@settings(max_examples=40)
@given(st.lists(steps, min_size=2, max_size=5), st.data())
def test_each_part_of_a_joined_stream_keeps_its_distances(
    parts: list[list[int]], data: st.DataObject
) -> None:
    stamps, edges = counted(0, parts[0]), [0]
    for part in parts[1:]:
        back = data.draw(st.integers(part[0], 100_000))
        edges.append(len(stamps))
        stamps += counted(stamps[-1] - back, part)
    ticks = ticks_of(clock(), stamps)
    for (begin, end), part in zip(pairwise([*edges, len(stamps)]), parts, strict=True):
        assert distances(ticks[begin:end]) == part
    assert all(20 <= ticks[edge] - ticks[edge - 1] <= 80 for edge in edges[1:])


def test_restarted_count_goes_on_one_frame_later() -> None:
    one = clock()
    stamps = [0, 40, 5000, 0, 30, 100, 140]
    assert ticks_of(one, stamps) == [0, 40, 5000, 5040, 5070, 5140, 5180]
    assert one.repaired == 4


def test_stamps_that_return_from_an_insertion_are_true_again() -> None:
    stamps = [0, 40, 80, 7, 47, 87, 240, 280, 500]
    assert ticks_of(clock(), stamps) == [0, 40, 80, 120, 160, 200, 240, 280, 500]


@pytest.mark.parametrize("first", [20_000, 200_000])
def test_late_first_stamp_is_believed_if_the_next_is_later(first: int) -> None:
    assert ticks_of(clock(), [first, 400, 440, 500]) == [360, 400, 440, 500]
    assert ticks_of(clock(), [first, first + 40]) == [first, first + 40]
    assert ticks_of(clock(), [first]) == [first]


def test_repeated_stamps_are_set_between_their_neighbours() -> None:
    assert ticks_of(clock(), [0, 40, 80, 40, 120, 160, 160, 200]) == [0, 40, 80, 90, 120, 160, 170, 200]
    assert ticks_of(clock(), [0, 0, 80, 80, 160, 160]) == [0, 40, 80, 120, 160, 200]


def test_far_stamp_counts_as_missing() -> None:
    assert ticks_of(clock(), [0, 40, 2**62, 120]) == [0, 40, 80, 120]


@settings(max_examples=40)
@given(st.integers(1, 1000), st.lists(st.integers(1, 50), max_size=5))
def test_measured_rate_leaves_gaps_out(step: int, gaps: list[int]) -> None:
    stamps = counted(7, [step] * 20)
    for gap in gaps:
        stamps += counted(stamps[-1] + step * (2 + gap), [step] * 3)
    rate, _ = measured_rate(reversed(stamps), Fraction(1, 1000)) or (0, 0)
    assert rate == Fraction(1000, step)


def test_measured_rate_needs_two_stamps() -> None:
    assert measured_rate([5, 5], Fraction(1, 1000)) is None
