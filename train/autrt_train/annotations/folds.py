"""Folds and shares that part neither a video nor a person, balanced by what the labels count."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F64, I32, I64
from autrt_train.types import DataError, Index

MOST_CLASSES: Final = 64
"""Classes are balanced too, unless they are more (people, not expressions)."""


def folds(index: Index, k: int, seed: int) -> I32:
    """The fold of each picture (N,) int32, 0…k−1.

    Whatever shares a video or a person stays together. The largest groups are placed first, each where pictures,
    AU positives and classes are lacking most; `seed` decides between equals.

    Raises:
        DataError: there are fewer than k groups.
    """
    return _parted(index, np.full(k, 1 / k), seed)


def split_by(index: Index, share: float, seed: int) -> tuple[Index, Index]:
    """The index without and with about `share` of its pictures, by the rules of `folds`.

    Raises:
        DataError: all pictures are of one video or person.
    """
    part = _parted(index, np.array([1 - share, share]), seed)
    return index.take(part == 0), index.take(part == 1)


def groups(index: Index) -> I64:
    """(N,) int64 the group of each picture, 0…G−1: videos and persons that hang together by any picture."""
    known = index.person >= 0
    pairs = np.stack([index.video[known], index.person[known]], axis=1)
    group = video_groups(len(index.video_names), len(index.person_names), pairs)
    return np.unique(group[index.video], return_inverse=True)[1].astype(np.int64).reshape(-1)


def video_groups(n_videos: int, n_persons: int, pairs: I32) -> I64:
    """(V,) int64 a number for each video, the same for those that hang together by a person.

    Args:
        n_videos: videos are 0…n−1.
        n_persons: persons are 0…n−1.
        pairs: (K, 2) int32 of a video and a person who is in it.
    """
    parent = np.arange(n_videos + n_persons)
    for video, person in np.unique(pairs, axis=0).tolist():
        a, b = _root(parent, video), _root(parent, person + n_videos)
        parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, video) for video in range(n_videos)], np.int64).reshape(-1)


def _root(parent: I64, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = int(parent[node])
    return node


def _parted(index: Index, shares: F64, seed: int) -> I32:
    group = groups(index)
    weights = _weights(index, group)
    if len(weights) < len(shares):
        raise DataError(
            f"{len(index)} pictures of {len(weights)} videos or persons that hang together cannot be parted "
            f"{len(shares)} ways without parting one: name validation data of their own"
        )
    return placed(weights, shares, seed)[group]


def _weights(index: Index, group: I64) -> F64:
    """(G, C) each group's part of all pictures, of each AU's positives and of each class."""
    n = int(group.max(initial=-1)) + 1
    marks = [np.ones(len(index), bool), *(index.labels == 1).T]
    if index.classes is not None and len(index.class_names) <= MOST_CLASSES:
        marks += [index.classes == number for number in range(len(index.class_names))]
    counts = np.stack([np.bincount(group, mark, n) for mark in marks], axis=1)
    return counts[:, counts.sum(axis=0) > 0] / np.maximum(counts.sum(axis=0)[counts.sum(axis=0) > 0], 1)


def placed(weights: F64, shares: F64, seed: int) -> I32:
    """Put groups into parts: least squares against the shares, greedily, no part left empty.

    Args:
        weights: (G, C) float64, each group's part of everything that is to be balanced; at least as many groups
            as there are parts.
        shares: (K,) float64, how large each part is to be; they add up to 1.
        seed: decides between equals.

    Returns:
        (G,) int32 the part of each group.
    """
    shuffled = np.random.default_rng([seed]).permutation(len(weights))
    order = shuffled[np.argsort(-weights[shuffled].max(axis=1, initial=0), kind="stable")]
    filled = np.zeros((len(shares), weights.shape[1]))
    lacking = set(range(len(shares)))
    out = np.zeros(len(weights), np.int32)
    for place, row in enumerate(order.tolist()):
        cost = (weights[row] * (2 * (filled - shares[:, None]) + weights[row])).sum(axis=1)
        if len(order) - place <= len(lacking):  # what is left is just enough for the empty parts
            cost[[part for part in range(len(shares)) if part not in lacking]] = np.inf
        part = int(np.argmin(cost))
        lacking.discard(part)
        filled[part] += weights[row]
        out[row] = part
    return out
