"""Folds: nothing that hangs together is parted, and every fold gets its share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt_train.annotations.duplicates import duplicates_between
from autrt_train.annotations.folds import folds, groups, split_by
from autrt_train.types import DataError, Index
from tests.support.data_sets import index, jpeg


@st.composite
def indices(draw):
    n = draw(st.integers(1, 60))
    draws = lambda low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))  # noqa: E731
    labels = np.array([draws(-1, 1), draws(-1, 1)]).T
    return index(labels, draws(0, 9), draws(-1, 6))


def slow_groups(table):
    """Merge sets of pictures until no two share a video or a person."""
    sets = [{i} for i in range(len(table))]
    for key in (table.video, table.person):
        for value in set(key[key >= 0].tolist()):
            rows = set(np.nonzero(key == value)[0].tolist())
            touched = [s for s in sets if s & rows]
            sets = [s for s in sets if not s & rows] + [set().union(*touched)]
    return {frozenset(s) for s in sets}


@settings(max_examples=200, deadline=None)
@given(indices())
def test_groups_are_what_hangs_together_by_video_or_person(table):
    found = groups(table)
    assert {frozenset(np.nonzero(found == g)[0].tolist()) for g in range(found.max() + 1)} == slow_groups(
        table
    )


@settings(max_examples=200, deadline=None)
@given(table=indices(), k=st.integers(2, 5), seed=st.integers(0, 3))
def test_folds_part_no_group_and_none_is_empty(table, k, seed):
    whole = slow_groups(table)
    if len(whole) < k:
        with pytest.raises(DataError, match=f"cannot be parted {k} ways"):
            folds(table, k, seed)
        return
    fold = folds(table, k, seed)
    assert fold.dtype == np.int32
    assert set(fold.tolist()) == set(range(k))
    assert all(len(set(fold[list(group)].tolist())) == 1 for group in whole)
    np.testing.assert_array_equal(fold, folds(table, k, seed))


def many(seed: int = 0, videos: int = 60) -> Index:
    """Videos of different lengths, two people in some, rare and common AUs."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 300, videos)
    video = np.repeat(np.arange(videos), lengths)
    rates = rng.beta([0.3, 2, 5], [9, 4, 2], (videos, 3))
    labels = (rng.random((len(video), 3)) < rates[video]).astype(np.int8)
    return index(labels, video, np.repeat(rng.integers(-1, 40, videos), lengths))


def test_folds_are_balanced_in_pictures_and_in_each_au():
    table = many()
    for seed in range(3):
        fold = folds(table, 4, seed)
        marks = [np.ones(len(table)), *(table.labels == 1).T]
        shares = np.array([[mark[fold == f].sum() / mark.sum() for f in range(4)] for mark in marks])
        assert np.abs(shares - 0.25).max() < 0.1  # at random, the rare AU's is 0.3


def test_folds_depend_on_the_seed():
    table = many()
    assert (folds(table, 4, 0) != folds(table, 4, 1)).any()


def test_split_by_takes_about_the_share():
    table = many()
    train, judge = split_by(table, 0.2, 0)
    assert len(train) + len(judge) == len(table)
    assert abs(len(judge) / len(table) - 0.2) < 0.05
    assert not set(train.video.tolist()) & set(judge.video.tolist())
    assert not (set(train.person.tolist()) & set(judge.person.tolist())) - {-1}
    for column in range(3):
        whole = (table.labels[:, column] == 1).sum()
        assert 0.1 < (judge.labels[:, column] == 1).sum() / whole < 0.3


def test_split_by_a_small_share_is_not_empty():
    table = index(np.ones((20, 1)), np.repeat([0, 1], 10))
    train, judge = split_by(table, 0.05, 0)
    assert len(train) == len(judge) == 10
    with pytest.raises(DataError, match="name validation data of their own"):
        split_by(table.take(table.video == 0), 0.5, 0)


def test_split_by_balances_classes():
    classes = np.repeat(np.arange(3, dtype=np.int32), 40)
    table = index(np.empty((120, 0)), np.arange(120), classes=classes, class_names=("a", "b", "c"))
    _, judge = split_by(table, 0.25, 0)
    assert np.bincount(judge.classes).tolist() == [10, 10, 10]


def with_paths(paths):
    table = index(np.ones((len(paths), 1)), np.arange(len(paths)))
    return replace(table, paths=np.array([str(p).encode() for p in paths], np.bytes_))


def test_duplicates_are_found_by_path_and_by_content(tmp_path):
    a = [jpeg(tmp_path / f"a{i}.jpg", value=i) for i in range(4)]
    b = [jpeg(tmp_path / f"b{i}.jpg", value=v) for i, v in enumerate((9, 2, 2))]
    (tmp_path / "empty_a").write_bytes(b"")
    (tmp_path / "empty_b").write_bytes(b"")
    first = with_paths([*a, tmp_path / "gone", tmp_path / "empty_a"])
    second = with_paths([*b, a[1], tmp_path / "gone", tmp_path / "missing", tmp_path / "empty_b"])
    found = duplicates_between(first, second)
    assert found.dtype == np.int64
    assert found.tolist() == [[1, 3], [2, 1], [2, 2], [4, 4], [5, 6]]
    assert duplicates_between(with_paths(a), with_paths(b[:1])).shape == (0, 2)
