"""What every engine shares: checked and padded inputs, bounded flight, futures that always end, orderly closing.

A back end brings `Runner`s. Each runs one batch at a time, in its own thread; a batch waits for a free runner in
the submitter's thread, so nothing spins and no more than that many batches are held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Protocol, Self

import numpy as np

from autrt.errors import EngineError
from autrt.types import F32, U8, EngineSpec


class Runner(Protocol):
    """Runs full batches, one at a time."""

    @property
    def inputs(self) -> Mapping[str, U8]:
        """Name → uint8 (batch, …): the buffers to fill before `run`."""
        ...

    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Compute what lies in the buffers.

        Args:
            rows: how many of the buffers' rows matter; the others are 0.

        Returns:
            Name → (rows or more, …); may be overwritten by the next run.
        """
        ...


class PooledEngine:
    """An `Engine` over some runners.

    A future's callback may not call `submit` of the same engine: it runs in the thread that would have to serve it.

    Args:
        spec: what the engine is.
        runners: as many as batches may be in flight.
        prepare_thread: called once in each thread that runs a runner.
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
        """What this engine is."""
        return self._spec

    def submit(self, inputs: Mapping[str, U8]) -> Future[dict[str, F32]]:
        """Start one batch; see `autrt.types.Engine`.

        Raises:
            EngineError: an input of another name, type or shape, too many rows, or the engine is closed.
        """
        rows = check_inputs(self._spec, inputs)
        if rows > self._spec.batch:
            raise EngineError(f"expected at most {self._spec.batch} rows in a batch, found {rows}")
        runner = self._take()
        try:
            for name, buffer in runner.inputs.items():
                buffer[:rows] = inputs[name]
                buffer[rows:] = 0
            with self._lock:
                self._require_open()
                future = self._threads.submit(self._run, runner, rows)
        except BaseException:
            self._idle.put(runner)
            raise
        # As a callback, so that the runner comes back even if somebody cancels the future.
        future.add_done_callback(lambda _: self._idle.put(runner))
        return future

    def infer(self, inputs: Mapping[str, U8]) -> dict[str, F32]:
        """Submit any number of rows in as many batches as it takes, and wait."""
        rows, batch = check_inputs(self._spec, inputs, least=0), self._spec.batch
        running = [
            self.submit({name: array[start : start + batch] for name, array in inputs.items()})
            for start in range(0, rows, batch)
        ]
        nothing = {out.name: np.empty((0, *out.shape), np.float32) for out in self._spec.outputs}
        parts = [nothing, *(future.result() for future in running)]
        return {name: np.concatenate([part[name] for part in parts]) for name in nothing}

    def close(self) -> None:
        """Wait for what is in flight and release the runners; calling it again does nothing."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get()
        self._idle.put(None)  # wakes who waits for a runner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> Runner:
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


def check_inputs(spec: EngineSpec, inputs: Mapping[str, U8], least: int = 1) -> int:
    """How many rows the inputs have.

    Raises:
        EngineError: other names, types or shapes than the engine takes, or fewer than `least` rows.
    """
    wanted = {tensor.name: tensor for tensor in spec.inputs}
    if set(inputs) != set(wanted):
        raise EngineError(f"expected the inputs {sorted(wanted)}, found {sorted(inputs)}")
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    for name, tensor in wanted.items():
        array = arrays[name]
        if array.dtype != tensor.dtype or array.shape[1:] != tensor.shape:
            raise EngineError(
                f"input {name}: expected {tensor.dtype} of shape {_times('rows', *tensor.shape)}, "
                f"found {array.dtype} of shape {_times(*array.shape)}"
            )
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or min(counts) < least:
        raise EngineError(f"expected inputs of equally many rows, at least {least}; found {sorted(counts)}")
    return counts.pop()


def _times(*sizes: int | str) -> str:
    return "×".join(map(str, sizes)) or "no dimensions"


def _closed_error(spec: EngineSpec) -> EngineError:
    return EngineError(f"the {spec.engine} engine is closed: open a new one")
