"""Logits by a temporal network, from the logits and features of the frames around, in place of smoothing windows.

A temporal network sees ticks, `TICK_RATE` a second from time 0 on, so that videos of any rate are taken alike: rows
are interpolated to the ticks between them, and what the network gives for the ticks is interpolated back. Ticks are
run in tiles that begin at fixed times and have a fixed length. So a row's numbers depend on the rows within
`halo_s` alone, and are bitwise the same in whatever pieces a video arrives.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from autrt.postprocess.smooth import longest_step_s, runs
from autrt.types import F32, F64, I32, I64

TICK_RATE: Final = 30.0
"""Ticks a second."""

TILE_TICKS: Final = 128
"""Ticks of a tile for which the network's output is used; its reach on either side is seen too."""


class TickNetwork(Protocol):
    """A temporal network: A logits a tick from A logits and D features a tick."""

    @property
    def n_features(self) -> int:
        """D; 0 for a network that sees logits alone."""
        ...

    @property
    def reach_ticks(self) -> int:
        """Ticks before, and after, that a tick's output depends on."""
        ...

    def run(self, inputs: F32, known: F32) -> F32:
        """Return (T, A) float32 logits of one tile, T being `TILE_TICKS` + 2 · `reach_ticks`.

        Args:
            inputs: (T, A + D) float32: logits, then features; 0 where not known.
            known: (T,) float32: 1 for ticks of the run, 0 for all others, which change no output of the run.
        """
        ...


def halo_s(network: TickNetwork, interval_s: float) -> float:
    """Return the seconds before and after a row from which on other rows don't matter to it.

    Args:
        network: the temporal network.
        interval_s: the video's median frame interval.
    """
    return (network.reach_ticks + 2) / TICK_RATE + longest_step_s(interval_s)


def temporal_logits(
    network: TickNetwork, logits: F32, features: F32 | None, track: I32, time_s: F64, interval_s: float
) -> F32:
    """Return the temporal network's logits.

    A track is parted at gaps, as for windows, and no part sees another.

    Args:
        network: the temporal network.
        logits: (F, A) float32, rows in order of time.
        features: (F, D) float32 or float16, used as float16; None if the network sees none.
        track: (F,) int32.
        time_s: (F,) float64, strictly increasing within a track.
        interval_s: the video's median frame interval.

    Returns:
        (F, A) float32.
    """
    values = logits if features is None else np.concatenate([logits, as_stored(features)], axis=1)
    out = np.empty_like(logits)
    for rows in runs(track, time_s, interval_s):
        out[rows] = _run(network, values[rows], time_s[rows] * TICK_RATE, logits.shape[1])
    return out


def as_stored(features: F32) -> F32:
    """Return features as float32 with float16's precision, as results files hold them."""
    limit = float(np.finfo(np.float16).max)
    return np.clip(features, -limit, limit).astype(np.float16).astype(np.float32)


def tick_span(at: F64) -> tuple[int, int]:
    """Return the first and the last tick of a run whose (n,) rows are `at` these times in ticks."""
    return int(np.floor(at[0])), int(np.ceil(at[-1]))


def interpolated(values: F32, at: F64, wanted: F64) -> F32:
    """Return (T, C) float32 values at the (T,) places `wanted`, between those of (n, C) rows at (n,) places `at`.

    Before the first and after the last row it is that row's.
    """
    right = np.clip(np.searchsorted(at, wanted, "right"), 0, len(at) - 1)
    left = np.maximum(right - 1, 0)
    width = np.where(right > left, at[right] - at[left], 1.0)
    share = np.clip((wanted - at[left]) / width, 0, 1).astype(np.float32)[:, None]
    return (values[left] * (1 - share) + values[right] * share).astype(np.float32, copy=False)


def _run(network: TickNetwork, values: F32, at: F64, n_aus: int) -> F32:
    """Return (n, A) logits of one run's rows, `at` (n,) times in ticks."""
    first, last = tick_span(at)
    tiles = range(first // TILE_TICKS, last // TILE_TICKS + 1)
    found = [_tile(network, values, at, tile * TILE_TICKS, n_aus) for tile in tiles]
    ticks: I64 = np.arange(tiles.start * TILE_TICKS, tiles.stop * TILE_TICKS)
    there = (ticks >= first) & (ticks <= last)
    return interpolated(np.concatenate(found)[there], ticks[there].astype(np.float64), at)


def _tile(network: TickNetwork, values: F32, at: F64, start: int, n_aus: int) -> F32:
    """Return the (`TILE_TICKS`, A) logits of the ticks from `start` on."""
    reach, (first, last) = network.reach_ticks, tick_span(at)
    ticks = np.arange(start - reach, start + TILE_TICKS + reach)
    known = ((ticks >= first) & (ticks <= last)).astype(np.float32)
    inputs = interpolated(values, at, ticks.astype(np.float64)) * known[:, None]
    return network.run(inputs, known)[reach : reach + TILE_TICKS, :n_aus]
