"""Logits by temporal networks: the same in whatever pieces, and nothing seen across gaps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.postprocess.smooth import median_interval_s, runs, smooth
from autrt.postprocess.temporal import TICK_RATE, halo_s, temporal_logits
from autrt_train.temporal.fit import TorchTicks
from tests.support.ticks import AUS, WINDOWS, rows, small_network, small_ticks

KINDS = ("tcn", "transformer")


@settings(max_examples=5, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 599), max_size=6))
def test_pieces_with_a_halo_give_bitwise_what_the_whole_gives(kind, seed, cuts):
    logits, features, track, time_s = rows(600, 3, seed)
    network, interval_s = small_ticks(kind, 3), median_interval_s(time_s)
    whole = temporal_logits(network, logits, features, track, time_s, interval_s)
    halo = halo_s(network, interval_s)
    edges = sorted({0, *cuts, 600})
    for low, high in pairwise(edges):
        seen = (time_s >= time_s[low] - halo) & (time_s <= time_s[high - 1] + halo)
        part = temporal_logits(network, logits[seen], features[seen], track[seen], time_s[seen], interval_s)
        own = np.flatnonzero(seen)
        np.testing.assert_array_equal(part[(own >= low) & (own < high)], whole[low:high])


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_sees_another_track_or_what_is_beyond_a_gap(kind):
    logits, features, track, time_s = rows(300, 2, 5)
    network, interval_s = small_ticks(kind, 2), median_interval_s(time_s)
    whole = temporal_logits(network, logits, features, track, time_s, interval_s)
    parts = list(runs(track, time_s, interval_s))
    assert len(parts) > 4
    for own in parts:
        alone = temporal_logits(network, logits[own], features[own], track[own], time_s[own], interval_s)
        np.testing.assert_array_equal(alone, whole[own])


@pytest.mark.parametrize("kind", KINDS)
def test_reach_is_as_stated(kind):
    network = small_ticks(kind)
    time_s = np.arange(200) / TICK_RATE
    logits, track = np.zeros((200, len(AUS)), np.float32), np.zeros(200, np.int32)
    before = temporal_logits(network, logits, None, track, time_s, 1 / 30)
    logits[100] = 5
    after = temporal_logits(network, logits, None, track, time_s, 1 / 30)
    changed = np.flatnonzero((before != after).any(axis=1))
    assert 100 - network.reach_ticks <= changed.min() <= 98
    assert 102 <= changed.max() <= 100 + network.reach_ticks


def test_new_network_is_the_smoothing_windows():
    logits, _, track, _ = rows(400, 0, 2)
    network, time_s = small_network(), np.arange(400) / 30
    network.au.weight.data.zero_()
    found = temporal_logits(TorchTicks(network), logits, None, track, time_s, 1 / 30)
    alone = temporal_logits(TorchTicks(network), logits, None, np.zeros_like(track), time_s, 1 / 30)
    np.testing.assert_allclose(
        alone, smooth(logits, np.zeros_like(track), time_s, WINDOWS, 1 / 30), atol=1e-5
    )
    assert found.shape == logits.shape


@pytest.mark.parametrize("rate", [15, 25, 30, 60, 120])
def test_videos_of_any_rate_are_taken_alike(rate):
    network = small_ticks()

    def at(rate: float) -> np.ndarray:
        time_s = np.arange(round(4 * rate)) / rate
        logits = np.stack([np.sin(3 * time_s + i) for i in range(len(AUS))], axis=1).astype(np.float32)
        found = temporal_logits(network, logits, None, np.zeros(len(logits), np.int32), time_s, 1 / rate)
        middle = (time_s > 1) & (time_s < 3)
        return np.stack([np.interp(np.linspace(1.2, 2.8, 50), time_s[middle], y[middle]) for y in found.T])

    np.testing.assert_allclose(at(rate), at(30), atol=0.05)


def test_single_row_is_enough():
    network = small_ticks()
    found = temporal_logits(
        network, np.ones((1, 3), np.float32), None, np.zeros(1, np.int32), np.array([7.3]), 1 / 30
    )
    assert np.isfinite(found).all()
    none = np.zeros((0, 3), np.float32)
    assert temporal_logits(network, none, None, np.zeros(0, np.int32), np.zeros(0), 1 / 30).shape == (0, 3)
