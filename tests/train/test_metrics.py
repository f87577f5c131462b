"""Scores against counts made by hand, and thresholds against trying every one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autrt_train.metrics import au_scores, best_thresholds, class_scores
from autrt_train.types import TrainingError

nan = float("nan")
columns = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 2), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.7, 1.0])),
        hnp.arrays(np.int8, (n, 2), elements=st.sampled_from([-1, 0, 1])),
    )
)


def ratio(part, whole):
    return part / whole if whole else nan


def slow_f1(scores, labels, threshold):
    """F1 of the positive and of the negative class, and precision and recall, from the four counts."""
    pairs = [(s >= threshold, y) for s, y in zip(scores, labels, strict=True) if y >= 0]
    tp = sum(found and y == 1 for found, y in pairs)
    fp = sum(found and y == 0 for found, y in pairs)
    fn = sum(not found and y == 1 for found, y in pairs)
    tn = sum(not found and y == 0 for found, y in pairs)
    positive, negative = ratio(2 * tp, 2 * tp + fp + fn), ratio(2 * tn, 2 * tn + fp + fn)
    both = [f1 for f1 in (positive, negative) if f1 == f1]
    return {
        "f1_binary": positive,
        "f1_posneg": sum(both) / len(both) if both else nan,
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "prevalence": ratio(tp + fn, len(pairs)),
        "n": len(pairs),
    }


def slow_ranking(scores, labels):
    """AUC: the share of pairs in right order, ties half. AP: mean precision, weighted by recall gained."""
    positive = [s for s, y in zip(scores, labels, strict=True) if y == 1]
    negative = [s for s, y in zip(scores, labels, strict=True) if y == 0]
    pairs = [(p > q) + 0.5 * (p == q) for p in positive for q in negative]
    ap = 0.0
    for limit in sorted(set(positive), reverse=True):
        hits, alarms = sum(p >= limit for p in positive), sum(q >= limit for q in negative)
        ap += sum(p == limit for p in positive) / len(positive) * hits / (hits + alarms)
    return {"auc": ratio(sum(pairs), len(pairs)), "ap": ap if positive else nan}


@settings(max_examples=80, deadline=None)
@given(columns, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_scores_equal_counts_made_by_hand(data, threshold):
    scores, labels = data
    found = au_scores(scores, labels, [threshold, 0.5])
    for au, limit in enumerate((threshold, 0.5)):
        expected = slow_f1(scores[:, au], labels[:, au], limit) | slow_ranking(scores[:, au], labels[:, au])
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(found, name)[au], value, rtol=1e-6, err_msg=name)


def test_au_scores_of_columns_without_a_score():
    labels = np.array([[-1, 0, 0, 1], [-1, 0, 0, 1]], np.int8)
    scores = np.array([[0.9, 0.1, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1]], np.float32)
    found = au_scores(scores, labels)
    np.testing.assert_array_equal(found.f1_binary, [nan, nan, 0, 2 / 3])
    np.testing.assert_allclose(found.f1_posneg, [nan, 1, 1 / 3, 1 / 3])
    np.testing.assert_array_equal(found.precision, [nan, nan, 0, 1])
    np.testing.assert_array_equal(found.recall, [nan, nan, nan, 0.5])
    np.testing.assert_array_equal(found.auc, [nan] * 4)
    np.testing.assert_array_equal(found.ap, [nan, nan, nan, 1])
    np.testing.assert_array_equal(found.n, [0, 2, 2, 2])
    assert found.means()["f1_binary"] == pytest.approx(1 / 3)
    assert np.isnan(found.means()["auc"])
    table = found.by_name(("AU1", "AU2", "AU4", "AU6"))
    assert table["AU2"]["f1_binary"] is None
    assert table["AU6"]["n"] == 2
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_au_scores_take_logits_and_their_thresholds():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 3)).astype(np.float32)
    labels = rng.integers(-1, 2, (200, 3)).astype(np.int8)
    a, b = au_scores(logits, labels, 0.0), au_scores(1 / (1 + np.exp(-logits)), labels)
    np.testing.assert_array_equal(a.f1_binary, b.f1_binary)
    np.testing.assert_allclose(a.auc, b.auc)


@settings(max_examples=80, deadline=None)
@given(columns, st.sampled_from([1.0, 1.25, 2.0, float("inf")]))
def test_best_threshold_is_optimal_and_nearest_to_a_half(data, prevalence_ratio):
    scores, labels = data
    limits = best_thresholds(scores, labels, prevalence_ratio)
    assert limits.dtype == np.float32
    for au, limit in enumerate(limits):
        known = labels[:, au] >= 0
        column, truth = scores[known, au], labels[known, au]
        if not ((truth == 0).any() and (truth == 1).any()):
            assert limit == 0.5
            continue
        steps = np.unique(column)
        middles = (steps + np.concatenate([[0], steps[:-1]])) / 2
        shares = np.array([(column >= other).sum() / (truth == 1).sum() for other in steps])
        apart = np.maximum(shares, 1 / shares)
        allowed = apart <= max(prevalence_ratio, apart.min())
        steps, middles = steps[allowed], middles[allowed]
        f1 = np.array([slow_f1(column, truth, other)["f1_binary"] for other in steps])
        best = middles[f1 >= f1.max() - 1e-9]
        assert slow_f1(column, truth, limit)["f1_binary"] == pytest.approx(f1.max())
        assert abs(limit - 0.5) == pytest.approx(abs(best - 0.5).min(), abs=1e-6)


def test_a_threshold_lies_half_way_and_near_a_half():
    scores = np.array([[0.2], [0.4], [0.6], [0.9]], np.float32)
    assert best_thresholds(scores, np.array([[0], [0], [1], [1]], np.int8)) == pytest.approx([0.5])
    assert best_thresholds(scores, np.array([[0], [0], [0], [1]], np.int8)) == pytest.approx([0.75])
    # From 0.4 up: 2 hits, 1 alarm; from 0.9 up: 1 hit, 1 miss, F1 lower.
    assert best_thresholds(scores, np.array([[0], [1], [0], [1]], np.int8)) == pytest.approx([0.3])
    neighbours = np.array([[0.3], [np.nextafter(np.float32(0.3), np.float32(1))]], np.float32)
    assert best_thresholds(neighbours, np.array([[0], [1]], np.int8)) == neighbours[1]


def test_nan_outputs_are_named():
    scores = np.array([[0.5, nan]], np.float32)
    for judge in (au_scores, best_thresholds):
        with pytest.raises(TrainingError, match=r"\[1\]"):
            judge(scores, np.zeros((1, 2), np.int8))


def test_class_scores_by_hand():
    logits = np.eye(4, dtype=np.float32)[[0, 1, 1, 3, 2, 0]]
    classes = np.array([0, 1, 0, -1, 2, 1], np.int32)
    found = class_scores(logits, classes)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1_macro"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert np.isnan(class_scores(logits, np.full(6, -1, np.int32))["f1_macro"])
