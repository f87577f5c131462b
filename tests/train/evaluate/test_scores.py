"""Bootstrap scores compared with scores of the resampled rows, and intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, roc_auc_score

from autrt_train.evaluate.bootstrap import Resampling, decision_scores, ranking_scores
from autrt_train.evaluate.scores import METRICS as ALL
from autrt_train.evaluate.scores import differences, evaluate_stages, pair_predictions
from autrt_train.metrics import au_scores
from tests.support.scored import film, noisy_logits, scored

METRICS = tuple(name for name in ALL if name != "ece")
"""Those that `au_scores` has; the other is in `test_coded`."""

rows = st.integers(1, 24).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 2), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0])),
        hnp.arrays(np.int8, (n, 2), elements=st.sampled_from([-1, 0, 1])),
        hnp.arrays(np.int64, (n,), elements=st.integers(0, 3)),
        hnp.arrays(np.int64, (4,), elements=st.integers(0, 3)),
    )
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_a_resampling_scores_as_its_rows_repeated(data):
    scores, labels, unit, weights = data
    resampling = Resampling(unit, weights[None].astype(np.float64))
    found = decision_scores(scores >= 0.5, labels, resampling) | ranking_scores(scores, labels, resampling)
    again = np.repeat(np.arange(len(unit)), weights[unit])
    expected = au_scores(scores[again], labels[again], 0.5)
    for name in METRICS:
        np.testing.assert_allclose(found[name][0], getattr(expected, name), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1], [-1, -1, -1], [1], [0]])
def test_columns_of_one_kind_have_no_ranking_but_decisions(truth):
    labels = np.array(truth, np.int8)[:, None]
    scores = np.linspace(0.2, 0.9, len(truth), dtype=np.float32)[:, None]
    resampling = Resampling(np.zeros(len(truth), np.int64), np.ones((1, 1)))
    found = decision_scores(scores >= 0.5, labels, resampling) | ranking_scores(scores, labels, resampling)
    expected = au_scores(scores, labels, 0.5)
    for name in METRICS:
        np.testing.assert_array_equal(found[name][0], getattr(expected, name), err_msg=name)


def test_many_different_scores_are_binned_closely():
    rng = np.random.default_rng(0)
    labels = (rng.random((20_000, 1)) < 0.1).astype(np.int8)
    scores = (rng.normal(size=labels.shape) + 1.5 * labels).astype(np.float32)
    resampling = Resampling(rng.integers(0, 20, 20_000), np.ones((1, 20)))
    found = ranking_scores(scores, labels, resampling)
    assert found["auc"][0, 0] == pytest.approx(roc_auc_score(labels[:, 0], scores[:, 0]), abs=1e-4)
    assert found["ap"][0, 0] == pytest.approx(average_precision_score(labels[:, 0], scores[:, 0]), abs=3e-3)


def test_units_are_drawn_whole_as_many_as_there_are_and_by_seed():
    group = np.repeat([7, -2, 40, 5], [3, 1, 4, 2])
    a, b, c = (Resampling.draw(group, 50, seed) for seed in (0, 0, 1))
    assert a.weights.shape == (50, 4)
    np.testing.assert_array_equal(a.weights.sum(axis=1), 4)
    np.testing.assert_array_equal(a.weights, b.weights)
    assert (a.weights != c.weights).any()
    assert [len(set(a.unit[group == g].tolist())) for g in (7, -2, 40, 5)] == [1] * 4
    assert Resampling.draw(np.zeros(9, np.int64), 50, 0).weights.shape == (0, 1)


def test_very_many_units_are_pooled_and_the_interval_stays():
    rng = np.random.default_rng(0)
    truth = (rng.random((6000, 1)) < 0.3).astype(np.int8)
    resampling = Resampling.draw(np.arange(6000), 400, 0)
    assert resampling.weights.shape[1] < 6000
    found = decision_scores(np.ones(truth.shape, bool), truth, resampling)["precision"]
    assert found.std() == pytest.approx(np.sqrt(0.3 * 0.7 / 6000), rel=0.15)


def many(videos, seed=0, noise=1.0):
    labels = np.concatenate([film(60, seed + v) for v in range(videos)])
    return scored(labels, noisy_logits(labels, seed, noise), np.repeat(np.arange(videos), 60))


def test_intervals_hold_sklearns_scores_and_narrow_with_videos():
    few, more = many(6), many(60)
    widths = []
    for rows in (few, more):
        evaluated = evaluate_stages(rows, Resampling.draw(rows.group, 300, 0))
        assert list(evaluated.stages) == ["raw", "thresholded", "smoothed at 0.5", "smoothed"]
        raw = au_scores(1 / (1 + np.exp(-rows.logit)), rows.labels, 0.5)
        smoothed = au_scores(rows.series.smoothed, rows.labels, rows.thresholds)
        for name in METRICS:
            np.testing.assert_allclose(evaluated.stages["raw"][name].value[:-1], getattr(raw, name))
            np.testing.assert_allclose(evaluated.last[name].value[:-1], getattr(smoothed, name))
            assert evaluated.last[name].value[-1] == pytest.approx(smoothed.means()[name])
            low, high = evaluated.last[name].interval()
            assert (low <= evaluated.last[name].value + 1e-3).all()
            assert (evaluated.last[name].value - 1e-3 <= high).all()
        low, high = evaluated.stages["raw"]["f1_binary"].interval()
        widths.append((high - low).mean())
    assert widths[1] < 0.6 * widths[0]


def test_frames_of_one_video_do_not_narrow_an_interval():
    labels = np.concatenate([np.full((60, 1), v % 2, np.int8) for v in range(8)])
    logits = np.concatenate([np.full((60, 1), 1.0 if v < 4 else -1.0) for v in range(8)])
    by_video = scored(labels, logits, np.repeat(np.arange(8), 60), timed=False)
    by_frame = scored(labels, logits, np.repeat(np.arange(8), 60), group=np.arange(480), timed=False)
    ends = []
    for rows in (by_video, by_frame):
        evaluated = evaluate_stages(rows, Resampling.draw(rows.group, 500, 0))
        assert list(evaluated.stages) == ["raw", "thresholded"]
        ends.append(evaluated.last["recall"].interval())
    assert ends[0][1][0] - ends[0][0][0] > 4 * (ends[1][1][0] - ends[1][0][0])


def test_one_video_has_values_and_no_interval():
    rows = many(1)
    evaluated = evaluate_stages(rows, Resampling.draw(rows.group, 100, 0))
    assert not np.isnan(evaluated.last["f1_binary"].value).any()
    assert np.isnan(evaluated.last["f1_binary"].interval()).all()


def test_a_pair_is_compared_on_the_same_faces_and_resamplings():
    good, bad = many(10, noise=0.3), many(10, noise=3.0)
    shuffled = bad.take(np.r_[30:600, 0:30])  # another order, and what only one has
    a, b, notes = pair_predictions(shuffled.take(np.arange(580)), good)
    assert len(a) == len(b) == 580
    assert notes == ["20 labelled faces only made-up has, not compared"]
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.frame, b.frame)
    resampling = Resampling.draw(a.group, 300, 0)
    better = differences(evaluate_stages(a, resampling), evaluate_stages(b, resampling))
    assert list(better) == ["raw", "thresholded", "smoothed at 0.5", "smoothed"]
    assert (better["raw"]["f1_binary"].interval()[0] > 0).all()
    nothing = differences(evaluate_stages(a, resampling), evaluate_stages(a, resampling))
    for found in nothing["smoothed"].values():
        np.testing.assert_array_equal(np.stack(found.interval()), 0)


def test_a_pair_has_the_aus_that_both_have():
    both = many(4)
    one = both.with_aus(["AU2"])
    a, b, _ = pair_predictions(both, one)
    assert a.au_names == b.au_names == ("AU2",)
    np.testing.assert_array_equal(a.logit, both.logit[:, 1:])
