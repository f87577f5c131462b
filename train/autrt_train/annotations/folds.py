"""Folds that keep videos and persons together and are balanced in pictures, AU positives and classes."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F64, I32, I64
from autrt_train.types import DataError, Index

MOST_CLASSES: Final = 64
"""Most classes that are balanced; more are people rather than expressions."""


def folds(index: Index, k: int, seed: int) -> I32:
    """Return the fold of each picture: (N,) int32, 0…k−1.

    Pictures of the same video or person are never separated. Groups are placed in order of size, each where
    pictures, AU positives and classes are most lacking; `seed` breaks ties.

    Raises:
        DataError: there are fewer than k groups.
    """
    return _split(index, np.full(k, 1 / k), seed)


def split_by(index: Index, share: float, seed: int) -> tuple[Index, Index]:
    """Split an index into two of about 1 − `share` and `share` of its pictures, by the rules of `folds`.

    Raises:
        DataError: all pictures are of one video or person.
    """
    part = _split(index, np.array([1 - share, share]), seed)
    return index.take(part == 0), index.take(part == 1)


def groups(index: Index) -> I64:
    """Return the group of each picture, (N,) int64 0…G−1: the connected components of videos and persons."""
    known = index.person >= 0
    pairs = np.stack([index.video[known], index.person[known]], axis=1)
    group = video_groups(len(index.video_names), len(index.person_names), pairs)
    return np.unique(group[index.video], return_inverse=True)[1].astype(np.int64).reshape(-1)


def video_groups(n_videos: int, n_persons: int, pairs: I32) -> I64:
    """Return (V,) int64 numbers, equal for videos that are connected by common persons.

    Args:
        n_videos: videos are 0…n−1.
        n_persons: persons are 0…n−1.
        pairs: (K, 2) int32 of a video and a person in it.
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


def _split(index: Index, shares: F64, seed: int) -> I32:
    group = groups(index)
    weights = _weights(index, group)
    if len(weights) < len(shares):
        raise DataError(
            f"{len(index)} pictures of {len(weights)} videos or persons that belong together cannot be parted "
            f"{len(shares)} ways without parting one: name validation data of their own"
        )
    return assign_parts(weights, shares, seed)[group]


def _weights(index: Index, group: I64) -> F64:
    """Return (G, C) float64, each group's share of all pictures, of each AU's positives and of each class."""
    n = int(group.max(initial=-1)) + 1
    marks = [np.ones(len(index), bool), *(index.labels == 1).T]
    if index.classes is not None and len(index.class_names) <= MOST_CLASSES:
        marks += [index.classes == number for number in range(len(index.class_names))]
    counts = np.stack([np.bincount(group, mark, n) for mark in marks], axis=1)
    return counts[:, counts.sum(axis=0) > 0] / np.maximum(counts.sum(axis=0)[counts.sum(axis=0) > 0], 1)


def assign_parts(weights: F64, shares: F64, seed: int) -> I32:
    """Assign groups to parts greedily, by least squares against the shares; no part stays empty.

    Args:
        weights: (G, C) float64, each group's share of everything to be balanced; G ≥ K.
        shares: (K,) float64, the size of each part; sums to 1.
        seed: breaks ties.

    Returns:
        (G,) int32, the part of each group.
    """
    shuffled = np.random.default_rng([seed]).permutation(len(weights))
    order = shuffled[np.argsort(-weights[shuffled].max(axis=1, initial=0), kind="stable")]
    filled = np.zeros((len(shares), weights.shape[1]))
    lacking = set(range(len(shares)))
    out = np.zeros(len(weights), np.int32)
    for place, row in enumerate(order.tolist()):
        cost = (weights[row] * (2 * (filled - shares[:, None]) + weights[row])).sum(axis=1)
        if len(order) - place <= len(lacking):  # the groups left are just enough for the empty parts
            cost[[part for part in range(len(shares)) if part not in lacking]] = np.inf
        part = int(np.argmin(cost))
        lacking.discard(part)
        filled[part] += weights[row]
        out[row] = part
    return out
