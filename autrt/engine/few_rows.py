"""An engine for full batches beside one for single rows: a picture's one face need not cost a whole batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

import numpy as np

from autrt.engine.inputs import check_inputs
from autrt.types import F32, Engine, EngineSpec

FEW: Final = 8
"""Rows that are computed one by one; a batch of 16 costs as much as some 13 single rows."""

OPENED_AFTER: Final = 8
"""Small batches after which the engine of single rows is opened: opening it takes as long as they do. A video has
hardly any, a picture one."""


class FewRowsEngine:
    """An `Engine` that computes small batches row by row, without the rows that would pad them.

    Args:
        engine: computes full batches.
        open_single: opens the same network for batches of one row; called once, when it is worth while.
    """

    def __init__(self, engine: Engine, open_single: Callable[[], Engine]) -> None:
        self._engine, self._open_single = engine, open_single
        self._single: Engine | None = None
        self._small_batches = 0
        self._lock = threading.Lock()

    @property
    def spec(self) -> EngineSpec:
        """Description of the engine of full batches."""
        return self._engine.spec

    def submit(self, inputs: Mapping[str, Any]) -> Future[dict[str, F32]]:
        """Start one batch; see `autrt.types.Engine`."""
        rows = check_inputs(self.spec, inputs)
        single = self._single_for(rows)
        if single is None:
            return self._engine.submit(inputs)
        each = [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(rows)]
        return _joined([single.submit(row) for row in each])

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, F32]:
        """Compute any number of rows; see `autrt.types.Engine`."""
        return self._engine.infer(inputs)

    def close(self) -> None:
        """Close both engines."""
        self._engine.close()
        with self._lock:
            if self._single is not None:
                self._single.close()

    def _single_for(self, rows: int) -> Engine | None:
        """Return the engine for single rows where it should compute a batch."""
        if rows > FEW:
            return None
        with self._lock:
            self._small_batches += 1
            if self._single is None and self._small_batches > OPENED_AFTER:
                self._single = self._open_single()
            return self._single


def _joined(parts: Sequence[Future[dict[str, F32]]]) -> Future[dict[str, F32]]:
    """Return the outputs of single rows, as those of one batch."""
    whole: Future[dict[str, F32]] = Future()
    lock, waiting = threading.Lock(), set(range(len(parts)))

    def done(part: int) -> None:
        with lock:
            waiting.discard(part)
            if waiting or whole.done():
                return
            try:
                found = [one.result() for one in parts]
                whole.set_result({name: np.concatenate([one[name] for one in found]) for name in found[0]})
            except Exception as error:
                whole.set_exception(error)

    for i, one in enumerate(parts):
        one.add_done_callback(lambda _, i=i: done(i))
    return whole
