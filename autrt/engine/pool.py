"""The part that all engines share: checked and padded inputs, a bounded number of batches in flight, and futures.

A backend provides `Runner`s. Each runs one batch at a time in a thread of the pool; `submit` blocks until a runner
is free, so that no more batches are held than there are runners.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Protocol, Self

import numpy as np

from autrt.engine.inputs import check_inputs
from autrt.errors import EngineError
from autrt.types import F32, EngineSpec


class Runner(Protocol):
    """Runs full batches, one at a time."""

    def fill(self, inputs: Mapping[str, Any], rows: int) -> None:
        """Copy a batch into the runner's buffers and set their other rows to 0; called in the submitter's thread.

        Args:
            inputs: name → uint8 (rows, …), numpy or torch, checked; the caller may overwrite them afterwards.
            rows: number of rows.
        """
        ...

    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Compute the batch that `fill` copied; called in a thread of the engine.

        Returns:
            Name → (rows or more, …); the next run may overwrite the arrays.
        """
        ...


class PooledEngine:
    """An `autrt.types.Engine` over several runners.

    A future's callback must not call `submit` of the same engine, because it runs in one of the engine's threads.

    Args:
        spec: description of the engine.
        runners: one for each batch that may be in flight.
        prepare_thread: called once in each thread of the engine.
    """

    def __init__(
        self, spec: EngineSpec, runners: Sequence[Runner], prepare_thread: Callable[[], object] | None = None
    ) -> None:
        self._spec = spec
        self._idle: SimpleQueue[Runner | None] = SimpleQueue()
        for runner in runners:
            self._idle.put(runner)
        self._closed = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(len(runners), f"engine-{spec.engine}", prepare_thread)

    @property
    def spec(self) -> EngineSpec:
        """Description of the engine."""
        return self._spec

    def submit(self, inputs: Mapping[str, Any]) -> Future[dict[str, F32]]:
        """Start one batch; see `autrt.types.Engine`.

        Inputs may also be torch tensors on any device; those on the engine's own GPU are copied there directly.

        Raises:
            EngineError: an input has a wrong name, dtype or shape, there are too many rows, or it is closed.
        """
        rows = check_inputs(self._spec, inputs)
        if rows > self._spec.batch:
            raise EngineError(f"expected at most {self._spec.batch} rows in a batch, found {rows}")
        runner = self._take()
        try:
            runner.fill(inputs, rows)
            with self._lock:
                self._require_open()
                future = self._threads.submit(self._run, runner, rows)
        except BaseException:
            self._idle.put(runner)
            raise
        # A callback returns the runner even where the future is cancelled.
        future.add_done_callback(lambda _: self._idle.put(runner))
        return future

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, F32]:
        """Compute any number of rows, in as many batches as needed; see `autrt.types.Engine`."""
        rows, batch = check_inputs(self._spec, inputs, least=0), self._spec.batch
        running = [
            self.submit({name: array[start : start + batch] for name, array in inputs.items()})
            for start in range(0, rows, batch)
        ]
        nothing = {out.name: np.empty((0, *out.shape), np.float32) for out in self._spec.outputs}
        parts = [nothing, *(future.result() for future in running)]
        return {name: np.concatenate([part[name] for part in parts]) for name in nothing}

    def close(self) -> None:
        """Wait for the batches in flight and release the runners; a second call does nothing."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get()
        self._idle.put(None)  # wakes threads that wait for a runner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> Runner:
        """Wait for a free runner."""
        self._require_open()
        runner = self._idle.get()
        if runner is None:
            self._idle.put(None)
            raise _closed_error(self._spec)
        return runner

    def _require_open(self) -> None:
        if self._closed:
            raise _closed_error(self._spec)

    def _run(self, runner: Runner, rows: int) -> dict[str, F32]:
        try:
            outputs = runner.run(rows)
        except Exception as error:
            raise EngineError(f"the {self._spec.engine} engine failed: {error}") from error
        return {name: np.array(value[:rows], np.float32) for name, value in outputs.items()}


def _closed_error(spec: EngineSpec) -> EngineError:
    return EngineError(f"the {spec.engine} engine is closed: open a new one")
