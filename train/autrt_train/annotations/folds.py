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
    n_videos, known = len(index.video_names), index.person >= 0
    parent = np.arange(n_videos + len(index.person_names))
    pairs = np.stack([index.video[known], index.person[known] + n_videos], axis=1)
    for video, person in np.unique(pairs, axis=0).tolist():
        a, b = _root(parent, video), _root(parent, person)
        parent[max(a, b)] = min(a, b)
    roots = np.array([_root(parent, video) for video in range(n_videos)], np.int64).reshape(-1)
    return np.unique(roots[index.video], return_inverse=True)[1].astype(np.int64).reshape(-1)


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
    return _placed(weights, shares, seed)[group]


def _weights(index: Index, group: I64) -> F64:
    """(G, C) each group's part of all pictures, of each AU's positives and of each class."""
    n = int(group.max(initial=-1)) + 1
    marks = [np.ones(len(index), bool), *(index.labels == 1).T]
    if index.classes is not None and len(index.class_names) <= MOST_CLASSES:
        marks += [index.classes == number for number in range(len(index.class_names))]
    counts = np.stack([np.bincount(group, mark, n) for mark in marks], axis=1)
    return counts[:, counts.sum(axis=0) > 0] / np.maximum(counts.sum(axis=0)[counts.sum(axis=0) > 0], 1)


def _placed(weights: F64, shares: F64, seed: int) -> I32:
    """(G,) the part of each group: least squares against the shares, greedily, no part left empty."""
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
