"""Crops of all videos under way, gathered into full batches for the ensemble's engines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autrt.engine.memory import CropMemory, HostMemory
from autrt.types import F32, Bool, Engine


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the networks say about some crops."""

    member_logits: F32
    """(F, M, A) float32; NaN for members that are not run."""
    landmarks: F32 | None
    """(F, 5, 2) float32 crop pixels, where a member has a landmark head."""
    presence: F32 | None
    """(F,) float32 logit that the crop shows a well-placed face, where a member has that head."""

    def take(self, rows: Bool) -> Outputs:
        """Some of the rows, as copies."""
        return Outputs(
            self.member_logits[rows],
            None if self.landmarks is None else self.landmarks[rows],
            None if self.presence is None else self.presence[rows],
        )


class CropBatcher:
    """Takes crops from several threads and runs them in batches that different videos share.

    A batch leaves when it is full, or as soon as somebody waits for one of its crops. Who submits runs it: there
    is no thread in between, and a full engine makes the submitter wait.

    Args:
        engines: the members' engines, in the ensemble's order; None for a member that no AU uses.
        n_aus: columns of each member's logits.
        memory: where crops come from and wait; the host's by default.
    """

    def __init__(
        self, engines: Sequence[Engine | None], n_aus: int, memory: CropMemory | None = None
    ) -> None:
        self.memory: CropMemory = memory or HostMemory()
        self._engines = list(engines)
        self._n_aus = n_aus
        self._size = min(e.spec.batch for e in engines if e is not None)
        self._lock = threading.Lock()
        self._open = self._new_batch()

    @property
    def batch(self) -> int:
        """Crops in one full batch."""
        return self._size

    def submit(self, pixels: Any) -> PendingOutputs:
        """Start on (F, 112, 112, 3) uint8 RGB crops in `memory`; any F, 0 too."""
        parts: list[tuple[_Batch, slice]] = []
        taken = 0
        while taken < len(pixels):
            with self._lock:
                batch = self._open
                place = batch.add(pixels[taken:])
                full = batch.used == self._size
                if full:
                    self._open = self._new_batch()
            parts.append((batch, place))
            taken += place.stop - place.start
            if full:
                self._run(batch)
        return PendingOutputs(self, parts)

    def close(self) -> None:
        """Close the engines."""
        for engine in self._engines:
            if engine is not None:
                engine.close()

    def _new_batch(self) -> _Batch:
        return _Batch(self._size, self.memory.empty(self._size))

    def _run(self, batch: _Batch) -> None:
        """Hand a closed batch to the engines."""
        inputs = {"pixels": batch.pixels[: batch.used]}
        try:
            batch.running.set_result([e.submit(inputs) if e is not None else None for e in self._engines])
        except BaseException as error:
            batch.running.set_exception(error)

    def flush(self, batch: _Batch) -> None:
        """Run `batch` now if it still waits to be full."""
        with self._lock:
            if self._open is not batch:
                return
            self._open = self._new_batch()
        self._run(batch)

    def read(self, batch: _Batch, rows: slice) -> Outputs:
        """Wait for a batch and take some of its rows."""
        self.flush(batch)
        results = [None if f is None else f.result() for f in batch.running.result()]
        n = rows.stop - rows.start
        logits = np.full((n, len(results), self._n_aus), np.nan, np.float32)
        landmarks = presence = None
        for member, result in enumerate(results):
            if result is None:
                continue
            logits[:, member] = result["logits"][rows]
            if landmarks is None and "landmarks" in result:
                landmarks = result["landmarks"][rows]
            if presence is None and "presence" in result:
                presence = result["presence"][rows, 0]
        return Outputs(logits, landmarks, presence)

    def nothing(self) -> Outputs:
        """The outputs of no crops."""
        return Outputs(np.empty((0, len(self._engines), self._n_aus), np.float32), None, None)


@dataclass(slots=True)
class _Batch:
    size: int
    pixels: Any
    used: int = 0
    running: Future[list[Future[dict[str, F32]] | None]] = field(
        default_factory=Future[list[Future[dict[str, F32]] | None]]
    )

    def add(self, pixels: Any) -> slice:
        n = min(len(pixels), self.size - self.used)
        place = slice(self.used, self.used + n)
        self.pixels[place] = pixels[:n]
        self.used += n
        return place


class PendingOutputs:
    """A claim on the outputs of submitted crops."""

    def __init__(self, batcher: CropBatcher, parts: list[tuple[_Batch, slice]]) -> None:
        self._batcher = batcher
        self._parts = parts

    def result(self) -> Outputs:
        """Wait for the outputs, in the order of the crops."""
        parts = [self._batcher.read(batch, rows) for batch, rows in self._parts]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return self._batcher.nothing()
        return Outputs(
            np.concatenate([p.member_logits for p in parts]),
            _join([p.landmarks for p in parts]),
            _join([p.presence for p in parts]),
        )


def _join(parts: Sequence[F32 | None]) -> F32 | None:
    there = [p for p in parts if p is not None]
    return np.concatenate(there) if there else None
