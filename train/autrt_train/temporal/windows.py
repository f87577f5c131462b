"""Runs of ticks with labels, and the windows of them that a temporal network learns from.

Letters: T ticks, A AUs, D features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autrt.postprocess.smooth import runs
from autrt.postprocess.temporal import TICK_RATE, interpolated, tick_span
from autrt.types import F32, I64, ShapedRepr
from autrt_train.temporal.sequences import VideoSequence
from autrt_train.types import I8, MISSING


@dataclass(frozen=True, slots=True, repr=False)
class TickRun(ShapedRepr):
    """A stretch of a track without a gap, in ticks."""

    inputs: F32
    """(T, A + D) float32."""
    labels: I8
    """(T, A) int8; `MISSING` for ticks that no labelled frame is nearest to."""


@dataclass(frozen=True, slots=True, repr=False)
class WindowBatch(ShapedRepr):
    """Windows of equal length."""

    inputs: F32
    """(B, T, A + D) float32, 0 where not known."""
    known: F32
    """(B, T) float32, 0 or 1."""
    labels: I8
    """(B, T, A) int8."""


def tick_runs(sequences: Sequence[VideoSequence]) -> list[TickRun]:
    """Return the runs of all tracks that have any label."""
    found = [_run(one, rows) for one in sequences for rows in runs(one.track, one.time_s, one.interval_s)]
    return [run for run in found if (run.labels != MISSING).any()]


def window_batches(
    parts: Sequence[TickRun], length: int, batch: int, rng: np.random.Generator
) -> Iterator[WindowBatch]:
    """Yield every run once, cut into windows at random places, in random order, without those that have no label.

    Args:
        parts: the runs.
        length: ticks of a window.
        batch: windows of a batch; the last may have fewer.
        rng: decides places and order.
    """
    windows: list[tuple[int, int]] = []
    for number, run in enumerate(parts):
        first = -int(rng.integers(length))
        starts = range(first, len(run.labels), length)
        windows += [(number, s) for s in starts if (run.labels[max(s, 0) : s + length] != MISSING).any()]
    order = rng.permutation(len(windows)).tolist()
    for at in range(0, len(order), batch):
        chosen = [windows[i] for i in order[at : at + batch]]
        cut = [_window(parts[number], start, length) for number, start in chosen]
        yield WindowBatch(*(np.stack(column) for column in zip(*cut, strict=True)))


def moments(parts: Sequence[TickRun]) -> tuple[F32, F32]:
    """Return the mean and the standard deviation, (A + D,) float32, of the inputs of all runs."""
    n = sum(len(run.inputs) for run in parts)
    mean = np.sum([run.inputs.sum(axis=0, dtype=np.float64) for run in parts], axis=0) / n
    squares = np.sum([np.square(run.inputs - mean).sum(axis=0, dtype=np.float64) for run in parts], axis=0)
    return mean.astype(np.float32), np.sqrt(squares / n).astype(np.float32)


def _run(one: VideoSequence, rows: I64) -> TickRun:
    at = one.time_s[rows] * TICK_RATE
    first, last = tick_span(at)
    values = one.logits[rows]
    if one.features is not None:
        values = np.concatenate([values, one.features[rows].astype(np.float32)], axis=1)
    labels = np.full((last - first + 1, one.labels.shape[1]), MISSING, np.int8)
    labels[np.rint(at).astype(np.int64) - first] = one.labels[rows]
    return TickRun(interpolated(values, at, np.arange(first, last + 1, dtype=np.float64)), labels)


def _window(run: TickRun, start: int, length: int) -> tuple[F32, F32, I8]:
    """Return inputs, known and labels of the ticks from `start`, which may be negative."""
    inside = slice(max(start, 0), min(start + length, len(run.labels)))
    place = slice(inside.start - start, inside.stop - start)
    inputs = np.zeros((length, run.inputs.shape[1]), np.float32)
    known = np.zeros(length, np.float32)
    labels = np.full((length, run.labels.shape[1]), MISSING, np.int8)
    inputs[place], known[place], labels[place] = run.inputs[inside], 1, run.labels[inside]
    return inputs, known, labels
