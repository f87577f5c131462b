"""Crops of all videos in flight, gathered into full batches for the ensemble's engines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from autrt.engine.memory import CropMemory, HostMemory, Mark
from autrt.types import F32, Engine, Outputs, TensorSpec

ALIGNMENT_OUTPUTS: Final = (
    TensorSpec("landmarks", (5, 2), "float32"),
    TensorSpec("presence", (), "float32"),
)
"""Outputs, with the shape for one face, that the check of the alignment needs: landmarks in crop pixels, and the
logit that the crop shows a well-placed face."""


class CropBatcher:
    """Takes crops from several threads and runs them in batches that different videos share.

    A batch starts when it is full, or as soon as one of its crops is waited for. The submitter's thread starts it:
    there is no thread in between, and a full engine makes the submitter wait.

    Args:
        engines: the members' engines, in the ensemble's order; None for a member that no AU uses.
        n_aus: columns of each member's logits.
        memory: allocates the crops; the host's by default.
        outputs: names of the outputs to keep beside `logits`, and their shapes for one face. Each is taken from
            the first engine whose spec has it; those that no engine has are left out.
    """

    def __init__(
        self,
        engines: Sequence[Engine | None],
        n_aus: int,
        memory: CropMemory | None = None,
        outputs: Sequence[TensorSpec] = ALIGNMENT_OUTPUTS,
    ) -> None:
        self.memory: CropMemory = memory or HostMemory()
        self._engines = list(engines)
        self._n_aus = n_aus
        self._outputs = _members_of(outputs, engines)
        self._size = min(e.spec.batch for e in engines if e is not None)
        self._lock = threading.Lock()
        self._open = self._new_batch()

    @property
    def batch(self) -> int:
        """Crops in one full batch."""
        return self._size

    def submit(self, pixels: Any) -> PendingOutputs:
        """Start running crops.

        Args:
            pixels: (F, 112, 112, 3) uint8 RGB in `memory`; any F, 0 too.

        Raises:
            EngineError: an engine is closed. Failures in an engine are raised by the result.
        """
        parts: list[tuple[_Batch, slice]] = []
        taken = 0
        while taken < len(pixels):
            with self._lock:
                batch = self._open
                place = batch.add(pixels[taken:], self.memory)
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
        return _Batch(size=self._size, pixels=self.memory.empty(self._size), mark=self.memory.mark())

    def _run(self, batch: _Batch) -> None:
        """Hand a closed batch to the engines."""
        inputs = {"pixels": batch.pixels[: batch.used]}
        try:
            batch.mark.precede()
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
        """Wait for a batch and return the outputs of some of its rows."""
        self.flush(batch)
        results = [None if f is None else f.result() for f in batch.running.result()]
        n = rows.stop - rows.start
        logits = np.full((n, len(results), self._n_aus), np.nan, np.float32)
        for member, result in enumerate(results):
            if result is not None:
                logits[:, member] = result["logits"][rows]
        outputs = {"logits": logits}
        for output, member in self._outputs.items():
            result = results[member]
            assert result is not None
            outputs[output.name] = result[output.name][rows].reshape(n, *output.shape)
        return outputs

    def no_outputs(self) -> Outputs:
        """Return the outputs of no crops."""
        shapes = {output.name: output.shape for output in self._outputs}
        shapes["logits"] = (len(self._engines), self._n_aus)
        return {name: np.empty((0, *shape), np.float32) for name, shape in shapes.items()}


def _members_of(outputs: Sequence[TensorSpec], engines: Sequence[Engine | None]) -> dict[TensorSpec, int]:
    """Return the index of the first engine that has each output, without those that none has."""
    found: dict[TensorSpec, int] = {}
    for member, engine in enumerate(engines):
        names = {spec.name for spec in engine.spec.outputs} if engine is not None else set[str]()
        for output in outputs:
            if output.name in names:
                found.setdefault(output, member)
    return found


@dataclass(slots=True, kw_only=True)
class _Batch:
    size: int
    pixels: Any
    mark: Mark
    """The last that was done with the pixels, perhaps in another video's stream."""
    used: int = 0
    running: Future[list[Future[dict[str, F32]] | None]] = field(
        default_factory=Future[list[Future[dict[str, F32]] | None]]
    )

    def add(self, pixels: Any, memory: CropMemory) -> slice:
        """Take as many of the crops as fit and return their rows."""
        n = min(len(pixels), self.size - self.used)
        place = slice(self.used, self.used + n)
        self.mark.precede()
        self.pixels[place] = pixels[:n]
        self.mark = memory.mark()
        self.used += n
        return place


class PendingOutputs:
    """The outputs of submitted crops, under way."""

    def __init__(self, batcher: CropBatcher, parts: list[tuple[_Batch, slice]]) -> None:
        self._batcher = batcher
        self._parts = parts

    def result(self) -> Outputs:
        """Wait for the outputs and return them in the order of the crops.

        Raises:
            EngineError: an engine failed.
        """
        parts = [self._batcher.read(batch, rows) for batch, rows in self._parts]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return self._batcher.no_outputs()
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
