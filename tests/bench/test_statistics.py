"""Benchmarks: medians, spreads, and when two sets of repeats differ."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from autrt_bench.measure.interleaved import measure
from autrt_bench.measure.statistics import median_ratio, spread, verdict_of
from autrt_bench.reporting.compare import Difference
from autrt_bench.types import Case, Group, Measurement, Metric

SPEED = Metric(name="speed", unit="frames/s", better="higher")
TIME = Metric(name="time", unit="s", better="lower")


def repeats(mean: float, n: int = 7, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(mean, 0.03 * mean, n).tolist()


def verdict(a, b, metric=SPEED):
    return verdict_of(median_ratio(a, b), metric, min(len(a), len(b)))


def test_spread_is_the_median_and_the_quartiles():
    found = spread([5, 1, 4, 2, 3])
    assert (found.low, found.median, found.high) == (2, 3, 4)


def test_the_interval_is_that_of_a_percentile_bootstrap():
    a, b = repeats(100, 15, seed=1), repeats(130, 12, seed=2)
    ours = median_ratio(a, b)
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda x, y, axis: np.median(y, axis=axis) / np.median(x, axis=axis),
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert ours.value == pytest.approx(np.median(b) / np.median(a))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_equal_programs_seldom_differ():
    told = [verdict(repeats(100, 5, seed), repeats(100, 5, seed + 1000)) for seed in range(200)]
    assert told.count("unchanged") >= 190


def test_verdict_follows_the_metrics_direction():
    a, b = repeats(100), repeats(120, seed=9)
    assert verdict(a, b, SPEED) == "better"
    assert verdict(b, a, SPEED) == "worse"
    assert verdict(a, b, TIME) == "worse"
    assert verdict(a, b, Metric(name="share", unit="")) == "changed"


def test_verdict_needs_repeats_unless_exact():
    assert verdict([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]) == "too few repeats"
    assert (
        verdict([0.50], [0.51], Metric(name="changed decisions", unit="%", better="lower", exact=True))
        == "worse"
    )
    assert (
        verdict([0.0], [0.5], Metric(name="changed decisions", unit="%", better="lower", exact=True))
        == "worse"
    )
    assert (
        verdict([0.0], [0.0], Metric(name="changed decisions", unit="%", better="lower", exact=True))
        == "unchanged"
    )


def test_a_change_below_the_noise_is_none_however_sure():
    assert verdict([100.0] * 9, [101.0] * 9) == "unchanged"


def test_a_difference_speaks_in_its_metrics_words():
    def difference(metric: Metric, a: float, b: float) -> Difference:
        before, after = (
            Measurement(suite="suite", case="case", metric=metric, values=(value,) * 5) for value in (a, b)
        )
        ratio = median_ratio(before.values, after.values)
        return Difference(a=before, b=after, ratio=ratio, verdict=verdict_of(ratio, metric, 5))

    assert difference(SPEED, 100, 80).words == "slower"
    assert difference(SPEED, 100, 80).worse_by() == pytest.approx(20)
    assert difference(TIME, 2, 1).words == "faster"
    assert difference(TIME, 2, 1).worse_by() == 0
    assert difference(Metric(name="peak memory", unit="MB", better="lower"), 100, 150).words == "worse"


def test_cases_are_measured_in_turns_after_a_warm_up():
    order: list[str] = []
    values = {"a": iter([0.0, 2.0, 4.0]), "b": iter([0.0, 1.0, 8.0])}

    def case(name: str) -> Case:
        def repeat():
            order.append(name)
            return {SPEED: next(values[name])}

        return Case(name, repeat)

    ratio = Metric(name="ratio", unit="", better="higher")
    group = Group(
        cases=[case("a"), case("b")],
        derive=lambda turn: {"a / b": {ratio: turn["a"][SPEED] / turn["b"][SPEED]}},
    )
    found = {m.case: m.values for m in measure("suite", group, repeats=2)}
    assert order == ["a", "b"] * 3
    assert found == {"a": (2, 4), "b": (1, 8), "a / b": (2, 0.5)}
