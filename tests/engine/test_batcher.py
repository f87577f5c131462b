"""Crops of several threads in shared batches."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.engine.batcher import CropBatcher
from autrt.errors import EngineError
from autrt.types import EngineSpec, TensorSpec


class MeanEngine:
    """An Engine whose logits are a crop's mean grey level plus the column's number."""

    def __init__(self, batch: int = 4, n_aus: int = 2, heads: bool = True, fail: bool = False) -> None:
        self.batches: list[int] = []
        self.n_aus, self.heads, self.fail = n_aus, heads, fail
        self.spec = EngineSpec(
            "mean", "", (TensorSpec("pixels", (112, 112, 3), "uint8"),), (), "f32", batch, "cpu"
        )

    def submit(self, inputs):
        pixels = inputs["pixels"]
        self.batches.append(len(pixels))
        future: Future = Future()
        if self.fail:
            future.set_exception(EngineError("no luck"))
            return future
        means = pixels.reshape(len(pixels), -1).mean(1, dtype=np.float64).astype(np.float32)
        out = {"logits": means[:, None] + np.arange(self.n_aus, dtype=np.float32)}
        if self.heads:
            out["landmarks"] = np.broadcast_to(means[:, None, None], (len(means), 5, 2)).copy()
            out["presence"] = means[:, None].copy()
        future.set_result(out)
        return future


def crops(values):
    return (
        np.stack([np.full((112, 112, 3), v, np.uint8) for v in values])
        if values
        else np.empty((0, 112, 112, 3), np.uint8)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 255), max_size=11), max_size=8), st.integers(1, 5))
def test_every_ticket_gets_the_outputs_of_its_own_crops_in_order(groups, batch):
    batcher = CropBatcher([MeanEngine(batch)], 2)
    tickets = [batcher.submit(crops(group)) for group in groups]
    for ticket, group in zip(tickets, groups, strict=True):
        outputs = ticket.result()
        np.testing.assert_allclose(outputs.member_logits[:, 0, 0], group)
        if group:
            assert outputs.presence is not None
            assert outputs.landmarks is not None
            np.testing.assert_allclose(outputs.presence, group)
            np.testing.assert_allclose(outputs.landmarks[:, 3, 1], group)


def test_batches_are_full_while_nobody_waits():
    engine = MeanEngine(4)
    batcher = CropBatcher([engine], 2)
    tickets = [batcher.submit(crops([i])) for i in range(10)]
    assert engine.batches == [4, 4]
    assert tickets[9].result().member_logits[0, 0, 0] == 9
    assert engine.batches == [4, 4, 2]


def test_members_stand_in_the_ensembles_order_and_unused_ones_are_nan():
    batcher = CropBatcher([None, MeanEngine(heads=False), MeanEngine(2)], 2)
    outputs = batcher.submit(crops([7, 8, 9])).result()
    assert np.isnan(outputs.member_logits[:, 0]).all()
    np.testing.assert_allclose(outputs.member_logits[:, 1], [[7, 8], [8, 9], [9, 10]])
    assert outputs.presence is not None
    np.testing.assert_allclose(outputs.presence, [7, 8, 9])


def test_an_engines_failure_reaches_everybody_who_waits():
    batcher = CropBatcher([MeanEngine(2, fail=True)], 2)
    tickets = [batcher.submit(crops([1])), batcher.submit(crops([2]))]
    for ticket in tickets:
        with pytest.raises(EngineError, match="no luck"):
            ticket.result()


def test_many_threads_share_batches_without_mixing_up():
    batcher = CropBatcher([MeanEngine(8)], 2)
    barrier = threading.Barrier(6)

    def work(seed):
        rng = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(40):
            values = rng.integers(0, 255, rng.integers(0, 12)).tolist()
            np.testing.assert_allclose(batcher.submit(crops(values)).result().member_logits[:, 0, 0], values)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
