"""Epochs: what batches hold, that processes share them, that they can be gone on with in the middle."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import UsageError
from autrt_train.sampling.balanced import places_per_au
from autrt_train.sampling.batches import walk
from autrt_train.sampling.plan import EpochPlan, SamplingConfig
from autrt_train.types import DataError

BALANCED = SamplingConfig(batches="balanced")
ABAW_SHARES = np.array([11.8, 5, 15.4, 26.6, 39.7, 34.4, 24.5, 2.8, 3.1, 2.6, 62.7, 7.4]) / 100


def random_labels(rows, shares, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, len(shares))) < shares).astype(np.int8)
    labels[rng.random(labels.shape) < missing] = -1
    return labels


def all_rows(plan, epoch, **how):
    return np.array(list(plan.batches(epoch, **how)))


@pytest.mark.parametrize("drop", [False, True])
def test_shuffled_epoch_has_every_row_once(drop):
    plan = EpochPlan(np.zeros((103, 2), np.int8), SamplingConfig(drop_last=drop), 10, 0)
    rows = all_rows(plan, 0)
    assert rows.shape == (plan.steps(), 10) == ((10, 10) if drop else (11, 10))
    count = Counter(rows.ravel().tolist())
    assert set(count.values()) == ({1} if drop else {1, 2})
    assert len(count) == (100 if drop else 103)


def test_rows_fewer_than_a_batch_repeat_or_are_refused():
    labels = np.zeros((3, 1), np.int8)
    count = Counter(all_rows(EpochPlan(labels, SamplingConfig(), 8, 0), 0).ravel().tolist())
    assert sorted(count.values()) == [2, 3, 3]
    with pytest.raises(DataError, match="at least 8"):
        EpochPlan(labels, SamplingConfig(drop_last=True), 8, 0)
    with pytest.raises(DataError, match="found 0"):
        EpochPlan(labels[:0], SamplingConfig(), 8, 0)


plans = st.builds(
    lambda batches, resample, drop, batch, seed: EpochPlan(
        random_labels(157, [0.5, 0.1, 0.3], 0.1),
        SamplingConfig(batches=batches, resample=resample, drop_last=drop),
        batch,
        seed,
        label_names=("AU1", "AU2", "AU4"),
    ),
    st.sampled_from(["shuffle", "balanced"]),
    st.sampled_from(["none", "ml-ros", "named"]),
    st.booleans(),
    st.sampled_from([8, 16, 24]),
    st.integers(0, 2**40),
)


@settings(max_examples=40, deadline=None)
@given(plans, st.integers(0, 5), st.sampled_from([1, 2, 4, 8]), st.data())
def test_processes_share_batches_and_epochs_resume(plan, epoch, world, data):
    whole = all_rows(plan, epoch)
    assert whole.dtype == np.int64
    assert len(whole) == plan.steps(world)
    shares = [all_rows(plan, epoch, rank=rank, n_processes=world) for rank in range(world)]
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), whole)
    start = data.draw(st.integers(0, len(whole)))
    rest = list(plan.batches(epoch, start=start))
    np.testing.assert_array_equal(np.array(rest).reshape(-1, whole.shape[1]), whole[start:])


@settings(max_examples=20, deadline=None)
@given(plans)
def test_epochs_differ_and_do_not_depend_on_those_before(plan):
    third = all_rows(plan, 2)
    assert (all_rows(plan, 0) != third).any()
    assert (all_rows(plan, 2) == third).all()


def test_seeds_differ():
    a, b = (all_rows(EpochPlan(random_labels(99, [0.5]), BALANCED, 8, seed), 0) for seed in (0, 1))
    assert (a != b).any()


def test_a_batch_that_processes_cannot_share_is_refused():
    plan = EpochPlan(np.zeros((20, 1), np.int8), SamplingConfig(), 10, 0)
    with pytest.raises(UsageError, match="multiple of 4"):
        plan.batches(0, n_processes=4)
    with pytest.raises(ValueError, match="process 2 of 2"):
        plan.batches(0, rank=2, n_processes=2)
    with pytest.raises(ValueError, match="batch 3 of 2"):
        plan.batches(0, start=3)


def test_the_authors_batch_and_others_like_it():
    assert places_per_au(96, 12, None).tolist() == [6] * 12 + [24]
    assert places_per_au(256, 12, None).tolist() == [16] * 12 + [64]
    assert places_per_au(96, 12, 7).tolist() == [7] * 12 + [12]
    assert places_per_au(100, 12, None).tolist() == [7] * 3 + [6] * 9 + [25]
    assert places_per_au(5, 0, None).tolist() == [5]
    with pytest.raises(UsageError, match="at least 85"):
        places_per_au(80, 12, 7)


@given(st.integers(1, 20), st.integers(0, 300))
def test_places_per_au_add_up_and_none_is_zero(aus, spare):
    batch = aus + 1 + spare
    counts = places_per_au(batch, aus, None)
    assert counts.sum() == batch
    assert counts.min() >= 1
    exact = np.array([0.75 * batch / aus] * aus + [batch / 4])
    assert (np.abs(counts - exact) < 1).all() or (np.floor(exact) == 0).any()


def test_the_authors_recipe_fills_its_places():
    labels = random_labels(5000, ABAW_SHARES)
    plan = EpochPlan(labels, BALANCED, 96, 0)
    for rows in plan.batches(0):
        active = labels[rows] == 1
        assert (active.sum(0) >= 6).all()
        assert (~active.any(1)).sum() == 24


@st.composite
def awkward(draw):
    """Few rows, many missing labels, AUs without a positive or without a negative, hardly an idle row."""
    width = draw(st.integers(1, 6))
    rows = draw(st.integers(1, 60))
    shares = draw(st.lists(st.sampled_from([0, 0.05, 0.5, 0.9, 1]), min_size=width, max_size=width))
    labels = random_labels(rows, shares, draw(st.sampled_from([0, 0.1, 0.7])), draw(st.integers(0, 9)))
    labels[0, 0] = 0
    return labels


@settings(max_examples=150, deadline=None)
@given(awkward(), st.integers(0, 9), st.integers(0, 3))
def test_balanced_batch_has_both_labels_of_every_au(labels, spare, seed):
    batch = 2 * labels.shape[1] + spare
    plan = EpochPlan(labels, BALANCED, batch, seed)
    for rows in plan.batches(1):
        for au in range(labels.shape[1]):
            for value in (0, 1):
                assert (labels[rows, au] == value).any() == (labels[:, au] == value).any()


def test_small_batches_do_where_idle_rows_are_fully_labelled():
    labels = random_labels(300, [0.2] * 12)
    for rows in EpochPlan(labels, BALANCED, 13, 0).batches(0):
        assert (labels[rows] == 1).any(0).all()
        assert (labels[rows] == 0).any(0).all()
    labels[:, 3] = np.where(labels[:, 3] == 0, -1, labels[:, 3])
    labels[np.flatnonzero((labels == 1).sum(1) > 3), 3] = 0
    with pytest.raises(UsageError, match="at least 24 rows"):
        EpochPlan(labels, BALANCED, 23, 0)
    for rows in EpochPlan(labels, BALANCED, 24, 0).batches(0):
        assert (labels[rows] == 0).any(0).all()
    with pytest.raises(UsageError, match="at least 13"):
        EpochPlan(labels, BALANCED, 12, 0)


def test_positives_all_occur_before_any_repeats():
    labels = np.zeros((400, 2), np.int8)
    labels[:37, 0] = 1
    labels[37:48, 1] = 1
    config = SamplingConfig(batches="balanced", positives_per_au=1)
    plan = EpochPlan(labels, config, 4, 0)
    drawn = np.concatenate([all_rows(plan, epoch) for epoch in range(3)])
    for au, size in ((0, 37), (1, 11)):
        seen = Counter(drawn[labels[drawn, au] == 1].tolist())
        assert len(seen) == size
        assert max(seen.values()) - min(seen.values()) <= 1
    idle = Counter(drawn[(labels[drawn] == 0).all(2)].tolist())
    assert max(idle.values()) - min(idle[row] for row in range(48, 400)) <= 1


@given(st.integers(1, 9000), st.integers(0, 30_000), st.integers(0, 2000))
@settings(max_examples=40, deadline=None)
def test_walk_visits_all_once_a_lap(size, first, count):
    pool = np.arange(size) * 3
    steps = walk(pool, first, count, 1, 2)
    assert len(steps) == count
    cut = count // 3
    np.testing.assert_array_equal(walk(pool, first + cut, count - cut, 1, 2), steps[cut:])
    lap = walk(pool, first // size * size, size, 1, 2)
    assert sorted(lap) == pool.tolist()


def test_repeated_rows_come_twice_as_often():
    labels = random_labels(400, [0.5, 0.2, 0.1])
    config = SamplingConfig(batches="balanced", resample="named", over=("AU2",), down=("AU1",), over_times=3)
    plan = EpochPlan(labels, config, 12, 0, label_names=("AU1", "AU2", "AU4"))
    drawn = np.concatenate([all_rows(plan, epoch) for epoch in range(20)])
    seen = np.bincount(drawn.ravel(), minlength=400)
    both, one = (labels[:, 1:] == 1).all(1), (labels[:, 2] == 1) & (labels[:, 1] == 0)
    assert seen[both].mean() > 2 * seen[one].mean()


def test_balanced_batches_need_something_to_balance():
    with pytest.raises(DataError, match="missing"):
        EpochPlan(np.full((9, 2), -1, np.int8), BALANCED, 8, 0)
    with pytest.raises(UsageError, match="labels or classes"):
        EpochPlan(np.empty((9, 0), np.int8), BALANCED, 8, 0)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 5))
def test_classes_come_equally_often_and_their_pictures_too(classes, batch, seed):
    rng = np.random.default_rng(seed)
    of = np.concatenate([np.arange(classes), rng.integers(-1, classes, 150) ** 2 % classes]).astype(np.int32)
    of[rng.random(len(of)) < 0.1] = -1
    of[0] = 0
    plan = EpochPlan(np.empty((len(of), 0), np.int8), BALANCED, batch, seed, classes=of)
    drawn = all_rows(plan, 4).ravel()
    assert (of[drawn] >= 0).all()
    turns = [int((of[drawn] == c).sum()) for c in np.unique(of[of >= 0])]
    assert max(turns) - min(turns) <= 1
    for c in np.unique(of[of >= 0]):
        seen = np.bincount(drawn[of[drawn] == c], minlength=len(of))[of == c]
        assert seen.max() - seen.min() <= 1


def test_data_without_aus_are_shuffled_whatever_their_classes():
    plan = EpochPlan(np.empty((20, 0), np.int8), SamplingConfig(), 5, 0, classes=np.zeros(20, np.int32))
    assert sorted(all_rows(plan, 0).ravel()) == list(range(20))
