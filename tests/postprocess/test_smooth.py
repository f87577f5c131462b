"""Smoothing, baselines, ensembles and decisions against plain, slow versions."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autrt.aus import ABAW_AUS, authors_windows
from autrt.model.folder import used_members
from autrt.postprocess.baseline import NEUTRAL_LOGIT, baseline, subtract_baseline
from autrt.postprocess.ensemble import combine, sigmoid
from autrt.postprocess.smooth import median_interval_s, smooth
from autrt.postprocess.threshold import decide


def slow_smooth(values, track, time_s, windows, interval_s, weight=None):
    """The definition, row by row."""
    weight = np.ones(len(values)) if weight is None else np.maximum(weight, 1e-3)
    out = np.empty_like(values)
    longest = max(0.2, 2.5 * interval_s)
    for i in range(len(values)):
        same = sorted((j for j in range(len(values)) if track[j] == track[i]), key=lambda j: time_s[j])
        here = same.index(i)
        run = [i]
        for step in (-1, 1):
            k = here
            while 0 <= k + step < len(same) and abs(time_s[same[k + step]] - time_s[same[k]]) <= longest:
                k += step
                run.append(same[k])
        for a, w in enumerate(windows):
            reach = (w - 1) / 60 + interval_s / 4 + 1e-6  # a microsecond decides ties
            near = [i] if w == 1 else [j for j in run if abs(time_s[j] - time_s[i]) <= reach]
            out[i, a] = np.average(values[near, a].astype(np.float64), weights=weight[near])
    return out


@st.composite
def tracked(draw):
    n = draw(st.integers(1, 40))
    steps = draw(
        hnp.arrays(np.float64, n, elements=st.sampled_from([0.033, 0.04, 0.02, 0.1, 0.15, 0.4, 2.0]))
    )
    time = np.cumsum(steps)
    track = draw(hnp.arrays(np.int32, n, elements=st.integers(0, 2)))
    values = draw(hnp.arrays(np.float32, (n, 3), elements=st.floats(-20, 20, width=32)))
    return values, track, time


@settings(max_examples=50, deadline=None)
@given(data=tracked(), seed=st.integers(0, 99))
def test_weighted_smoothing_equals_its_definition(data, seed):
    values, track, time = data
    weight = np.random.default_rng(seed).choice([0, 0.2, 1], len(values)).astype(np.float32)
    interval = median_interval_s(time)
    np.testing.assert_allclose(
        smooth(values, track, time, (1, 10, 24), interval, weight),
        slow_smooth(values, track, time, (1, 10, 24), interval, weight),
        atol=2e-5,
    )
    alike = np.full(len(values), 0.5, np.float32)
    np.testing.assert_allclose(
        smooth(values, track, time, (1, 10, 24), interval, alike),
        smooth(values, track, time, (1, 10, 24), interval),
        atol=2e-5,
    )


@settings(max_examples=150, deadline=None)
@given(data=tracked(), windows=st.lists(st.sampled_from([1, 2, 5, 10, 24, 60]), min_size=3, max_size=3))
def test_smoothing_equals_its_definition(data, windows):
    values, track, time = data
    interval = median_interval_s(time)
    np.testing.assert_allclose(
        smooth(values, track, time, windows, interval),
        slow_smooth(values, track, time, windows, interval),
        atol=2e-5,
    )


def test_window_of_ten_at_30_frames_per_s_covers_nine_frames():
    impulse = np.zeros((31, 1), np.float32)
    impulse[15] = 9
    time = np.arange(31) / 30
    out = smooth(impulse, np.zeros(31, np.int32), time, [10], 1 / 30)[:, 0]
    np.testing.assert_allclose(out, [1.0 if 11 <= i <= 19 else 0.0 for i in range(31)], atol=1e-6)


def test_the_same_seconds_at_any_frame_rate():
    for rate in (15, 30, 60, 120):
        time = np.arange(rate * 4) / rate
        step = (time >= 2).astype(np.float32)[:, None]
        out = smooth(step, np.zeros(len(time), np.int32), time, [24], 1 / rate)[:, 0]
        touched = time[(out > 0) & (out < 1)]
        assert abs((touched.max() - touched.min()) - 23 / 30) <= 2 / rate


def test_window_that_ends_on_a_frame_includes_it_everywhere():
    time = np.cumsum(np.full(200, 0.04)) + 0.013
    values = np.arange(200, dtype=np.float32)[:, None]
    out = smooth(values, np.zeros(200, np.int32), time, [10], 0.04)
    np.testing.assert_allclose(out[4:-4, 0], values[4:-4, 0], atol=1e-4)
    np.testing.assert_allclose(out[-1, 0], np.mean(values[-5:]), atol=1e-4)


def test_smoothing_keeps_infinite_values_in_their_track():
    values = np.array([[1.0], [np.inf], [2.0]], np.float32)
    track = np.array([0, 1, 0], np.int32)
    out = smooth(values, track, np.array([0.0, 0.03, 0.06]), [1], 0.03)
    np.testing.assert_array_equal(out, values)


def test_the_authors_windows():
    assert dict(zip(ABAW_AUS, authors_windows(ABAW_AUS), strict=True)) | {
        "AU2": 24,
        "AU25": 24,
        "AU23": 1,
    } == {
        **dict.fromkeys(ABAW_AUS, 10),
        "AU2": 24,
        "AU25": 24,
        "AU23": 1,
    }


def test_baseline_is_the_percentile_of_long_tracks_only():
    logits = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    np.testing.assert_allclose(baseline(logits, 5.0, 20), np.percentile(logits, 20, axis=0), rtol=1e-6)
    assert np.isnan(baseline(logits, 4.99, 20)).all()


def test_baseline_moves_the_neutral_face_to_the_neutral_logit():
    base = np.array([[1.0, -3.0], [np.nan, np.nan]], np.float32)
    logits = np.array([[1.0, -3.0], [2.0, 0.0], [5.0, 5.0]], np.float32)
    out = subtract_baseline(logits, base, np.array([0, 0, 1], np.int32))
    np.testing.assert_allclose(out, [[NEUTRAL_LOGIT] * 2, [NEUTRAL_LOGIT + 1, NEUTRAL_LOGIT + 3], [5, 5]])


@given(
    logits=hnp.arrays(np.float32, (5, 3, 4), elements=st.floats(-50, 50, width=32)),
    weights=hnp.arrays(np.float32, (3, 4), elements=st.sampled_from([0.0, 0.125, 0.5, 1.0])),
)
def test_an_ensemble_is_the_weighted_mean_of_its_members(logits, weights):
    weights[0] += 0.25
    expected = np.empty((5, 4))
    for f in range(5):
        for a in range(4):
            total = sum(float(weights[m, a]) for m in range(3))
            expected[f, a] = sum(float(weights[m, a]) * float(logits[f, m, a]) for m in range(3)) / total
    np.testing.assert_allclose(combine(logits, weights), expected, rtol=1e-5, atol=1e-5)


def test_a_member_without_weight_is_not_used_and_may_be_nan():
    weights = np.array([[1, 0], [0, 0], [0, 1]], np.float32)
    assert used_members(weights).tolist() == [True, False, True]
    logits = np.full((1, 3, 2), np.nan, np.float32)
    logits[0, 0, 0], logits[0, 2, 1] = 3, 4
    assert combine(logits, weights).tolist() == [[3, 4]]


@given(st.floats(-1e4, 1e4, width=32))
def test_sigmoid_neither_overflows_nor_differs_from_its_formula(x):
    found = float(sigmoid(np.array([x], np.float32))[0])
    assert math.isclose(found, 1 / (1 + math.exp(-x)) if x > -700 else 0.0, rel_tol=1e-6, abs_tol=1e-30)


def test_a_decision_includes_its_threshold():
    smoothed = np.array([[0.5, 0.49], [0.7, 0.9]], np.float32)
    thresholds = np.array([0.5, 0.5], np.float32)
    assert decide(smoothed, thresholds).tolist() == [[True, False], [True, True]]
