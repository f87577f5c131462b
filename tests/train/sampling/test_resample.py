"""ML-ROS and named resampling against plain, slow versions, and what the statistics tell of them."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autrt.errors import UsageError
from autrt_train.sampling.ml_ros import imbalance, mean_imbalance, ml_ros, positives
from autrt_train.sampling.plan import EpochPlan, SamplingConfig
from autrt_train.sampling.resample import resample_named
from autrt_train.sampling.statistics import label_counts, sampling_statistics, statistics_lines

NAMES = ("AU1", "AU2", "AU4")
tables = hnp.arrays(
    np.int8, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=st.sampled_from([-1, 0, 0, 1])
)


def skewed(rows, shares, seed=0):
    return (np.random.default_rng(seed).random((rows, len(shares))) < shares).astype(np.int8)


def slow_ml_ros(labels, percent, rng):
    """Algorithm 3 of Charte et al. 2015, word for word, with one random number at a time."""
    data = [list(row) for row in labels]
    width = labels.shape[1]

    def ir_per_label(label):
        own = sum(row[label] == 1 for row in data)
        most = max(sum(row[other] == 1 for row in data) for other in range(width))
        return most / own

    present = [label for label in range(width) if any(row[label] == 1 for row in data)]
    mean_ir = sum(map(ir_per_label, present)) / len(present) if present else 0
    bags = {}
    for label in present:
        if ir_per_label(label) > mean_ir:
            bags[label] = [i for i, row in enumerate(labels) if row[label] == 1]
    rows = list(range(len(labels)))
    to_clone = len(labels) * percent / 100
    while to_clone > 0 and bags:
        for label, bag in list(bags.items()):
            row = bag[int(rng.random() * len(bag))]
            rows.append(row)
            data.append(list(labels[row]))
            to_clone -= 1
            if ir_per_label(label) <= mean_ir:
                del bags[label]
    return rows


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from([1.0, 10.0, 25.0, 100.0, 400.0]), st.integers(0, 3))
def test_ml_ros_clones_as_published(labels, percent, seed):
    found = ml_ros(labels, percent, np.random.default_rng(seed))
    assert found.tolist() == slow_ml_ros(labels, percent, np.random.default_rng(seed))


def test_ml_ros_lowers_imbalance_within_its_limit():
    labels = skewed(4000, [0.6, 0.3, 0.05, 0.02])
    rows = ml_ros(labels, 10, np.random.default_rng(0))
    assert rows[:4000].tolist() == list(range(4000))
    assert 4000 < len(rows) <= 4401
    assert (labels[rows[4000:], 2:] == 1).any(1).all()
    assert mean_imbalance(positives(labels[rows])) < mean_imbalance(positives(labels))


def test_ml_ros_ends_once_no_label_is_rare_any_more():
    labels = skewed(2000, [0.5, 0.5, 0.2])
    before = mean_imbalance(positives(labels))
    rows = ml_ros(labels, 1000, np.random.default_rng(0))
    after = imbalance(positives(labels[rows]))
    assert len(rows) < 4000
    assert after.max() <= before


def test_ml_ros_keeps_data_without_rare_labels():
    for labels in (np.zeros((5, 3), np.int8), np.full((5, 3), -1, np.int8), np.ones((5, 3), np.int8)):
        assert ml_ros(labels, 25, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]


def test_imbalance_by_hand():
    counts = np.array([60, 20, 0, 10])
    assert imbalance(counts).tolist() == [1, 3, np.inf, 6]
    assert mean_imbalance(counts) == pytest.approx(10 / 3)
    assert np.isnan(mean_imbalance(np.zeros(3, np.int64)))


@settings(deadline=None)
@given(tables, st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 3))
def test_named_resampling_repeats_and_thins_out_as_told(labels, times, keep, seed):
    names = ("AU1", "AU2", "AU4", "AU5", "AU6")[: labels.shape[1]]
    over, down = ("AU2", "AU24"), ("AU1", "AU4")
    rng = np.random.default_rng(seed)
    count = Counter(resample_named(labels, names, over, down, over_times=times, keep=keep, rng=rng).tolist())
    thinned = []
    for row, values in enumerate(labels):
        active = {name for name, value in zip(names, values, strict=True) if value == 1}
        if active & set(over):
            assert count[row] == times
        elif active and active <= set(down):
            thinned.append(row)
            assert count[row] in (0, 1)
        else:
            assert count[row] == 1
    assert abs(sum(count[row] for row in thinned) - keep * len(thinned)) <= 0.5


def test_a_plan_resamples_once_and_by_its_seed():
    labels = skewed(500, [0.6, 0.1, 0.3])
    for kind in ("ml-ros", "named"):
        config = SamplingConfig(resample=kind)
        plans = [EpochPlan(labels, config, 10, seed, label_names=NAMES) for seed in (0, 0, 1)]
        assert plans[0].rows.tolist() == plans[1].rows.tolist() != plans[2].rows.tolist()
        drawn = Counter(np.concatenate(list(plans[0].batches(3))).tolist())
        extra = drawn - Counter(plans[0].rows.tolist())
        assert not Counter(plans[0].rows.tolist()) - drawn
        assert sum(extra.values()) == -len(plans[0].rows) % 10


def test_rows_with_missing_labels_can_be_left_out():
    labels = skewed(500, [0.6, 0.1, 0.3])
    labels[::3, 1] = -1
    config = SamplingConfig(complete_only=True, resample="ml-ros")
    assert (labels[EpochPlan(labels, config, 10, 0).rows] >= 0).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("percent", 0),
        ("percent", float("nan")),
        ("over", ("AU2", "brows")),
        ("down", ("AU2",)),
        ("over_times", 0),
        ("keep", 1.5),
        ("positives_per_au", 0),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_name(field, value):
    with pytest.raises(UsageError, match=rf"SamplingConfig\.{field}"):
        SamplingConfig(**{field: value})


def test_resampling_needs_labels():
    with pytest.raises(UsageError, match="AU labels"):
        EpochPlan(np.empty((5, 0), np.int8), SamplingConfig(resample="ml-ros"), 2, 0)


def test_statistics_count_labels():
    labels = np.array([[1, 0, -1], [1, 1, -1], [0, 0, -1], [1, -1, -1]], np.int8)
    counts = label_counts(labels, NAMES)
    assert counts["labels"]["AU1"] == {
        "positive": 3, "negative": 1, "missing": 0, "share": 0.75, "irlbl": 1.0,
    }  # fmt: skip
    assert counts["labels"]["AU2"]["irlbl"] == 3
    assert counts["labels"]["AU4"] == {
        "positive": 0, "negative": 0, "missing": 4, "share": None, "irlbl": None,
    }  # fmt: skip
    assert (counts["rows"], counts["mean_ir"]) == (4, 2)


def test_statistics_compare_resampling_and_batches():
    labels = skewed(600, [0.6, 0.05, 0.3])
    plan = EpochPlan(labels, SamplingConfig(resample="ml-ros", batches="balanced"), 24, 0)
    told = sampling_statistics(plan, labels, NAMES)
    assert told["after"]["rows"] == len(plan.rows) > told["before"]["rows"] == 600
    assert told["after"]["mean_ir"] < told["before"]["mean_ir"]
    held = [(labels[rows] == 1).sum(0) for rows in plan.batches(0)]
    assert told["batches"]["labels"]["AU2"]["least"] == min(h[1] for h in held)
    assert told["batches"]["labels"]["AU2"]["most"] == max(h[1] for h in held)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    lines = statistics_lines(told)
    assert len(lines) == 2 + len(NAMES)
    assert all(name in line for name, line in zip(NAMES, lines[2:], strict=True))


def test_statistics_of_data_without_aus_are_one_line():
    plan = EpochPlan(np.empty((7, 0), np.int8), SamplingConfig(), 3, 0)
    (line,) = statistics_lines(sampling_statistics(plan, np.empty((7, 0), np.int8), ()))
    assert "7 → 7" in line
    assert "3 batches of 3" in line
