"""The pool that all engines share, with runners whose speed and failures the test controls."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest

from autrt.engine.inputs import HostBuffers
from autrt.engine.pool import PooledEngine
from autrt.errors import EngineError
from autrt.types import U8, EngineSpec, TensorSpec

SPEC = EngineSpec(
    engine="sum",
    network_digest="0" * 64,
    inputs=(TensorSpec("a", (2,), "uint8"), TensorSpec("b", (), "uint8")),
    outputs=(TensorSpec("total", (), "float32"),),
    precision="f32",
    batch=3,
    device="cpu",
)


class SumRunner(HostBuffers):
    """Runner of total = a₀ + a₁ + b that waits for a gate, fails on b = 13, and reuses its output array."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__({"a": np.full((3, 2), 77, np.uint8), "b": np.full(3, 77, np.uint8)})
        self._gate = gate
        self._total = np.zeros(3, np.float64)
        self.seen: list[tuple[int, list[int]]] = []

    def run(self, rows: int) -> Mapping[str, np.ndarray]:
        assert self._gate.wait(20)
        self.seen.append((rows, self.buffers["b"].tolist()))
        if 13 in self.buffers["b"]:
            raise RuntimeError("unlucky")
        self._total[:] = self.buffers["a"].sum(1, dtype=int) + self.buffers["b"]
        return {"total": self._total}


def batch(*b: int) -> dict[str, U8]:
    return {"a": np.ones((len(b), 2), np.uint8), "b": np.array(b, np.uint8)}


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def runner(gate: threading.Event) -> SumRunner:
    return SumRunner(gate)


def test_infer_splits_pads_and_joins_several_inputs(gate, runner) -> None:
    gate.set()
    with PooledEngine(SPEC, [runner]) as engine:
        found = engine.infer(batch(1, 2, 3, 4))
    assert found["total"].tolist() == [3, 4, 5, 6]
    assert found["total"].dtype == np.float32
    assert runner.seen == [(3, [1, 2, 3]), (1, [4, 0, 0])]


def test_inputs_of_different_lengths_are_refused(gate, runner) -> None:
    gate.set()
    with PooledEngine(SPEC, [runner]) as engine, pytest.raises(EngineError, match=r"equally many.*\[1, 2\]"):
        engine.submit({"a": np.ones((1, 2), np.uint8), "b": np.ones(2, np.uint8)})


def test_submit_waits_while_all_runners_are_busy(gate) -> None:
    engine = PooledEngine(SPEC, [SumRunner(gate), SumRunner(gate)])
    running = [engine.submit(batch(i)) for i in (1, 2)]
    with ThreadPoolExecutor(1) as other:
        third = other.submit(engine.submit, batch(3))
        assert not wait([third], timeout=0.3).done
        gate.set()
        running.append(third.result(20))
    assert [f.result(20)["total"].tolist() for f in running] == [[3], [4], [5]]
    engine.close()


def test_failure_reaches_only_its_own_future(gate, runner) -> None:
    gate.set()
    with PooledEngine(SPEC, [runner]) as engine:
        for _ in range(3):
            bad = engine.submit(batch(13))
            with pytest.raises(EngineError, match="the sum engine failed: unlucky"):
                bad.result(20)
        with pytest.raises(EngineError, match="unlucky"):
            engine.infer(batch(1, 2, 3, 13))
        assert engine.infer(batch(5))["total"].tolist() == [7]


def test_cancelled_batch_frees_its_runner(gate) -> None:
    engine = PooledEngine(SPEC, [SumRunner(gate)])
    running = engine.submit(batch(1))
    outcome = running.cancel()  # too late if its thread has begun; both must be survived
    gate.set()
    if not outcome:
        assert running.result(20)["total"].tolist() == [3]
    assert engine.submit(batch(2)).result(20)["total"].tolist() == [4]
    engine.close()


def test_submit_that_waits_fails_when_the_engine_closes(gate) -> None:
    engine = PooledEngine(SPEC, [SumRunner(gate)])
    running = engine.submit(batch(1))
    with ThreadPoolExecutor(4) as others:
        waiting = [others.submit(engine.submit, batch(2)) for _ in range(3)]
        closing = others.submit(engine.close)
        wait(waiting, timeout=0.2)
        gate.set()
        closing.result(20)
        for one in waiting:
            # Some may have got the place before the engine closed; nobody may hang.
            if one.exception(20) is None:
                assert one.result().result(20)["total"].tolist() == [4]
            else:
                assert isinstance(one.exception(), EngineError)
    assert running.result(20)["total"].tolist() == [3]
    with pytest.raises(EngineError, match="closed"):
        engine.submit(batch(1))


def test_callback_may_use_the_result(gate, runner) -> None:
    seen: list[float] = []
    engine = PooledEngine(SPEC, [runner])
    future = engine.submit(batch(4))
    future.add_done_callback(lambda done: seen.extend(done.result()["total"].tolist()))
    gate.set()
    engine.close()
    assert seen == [6]
