"""Crops of several threads in shared batches, and their outputs by name."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.engine.batcher import CropBatcher
from autrt.engine.memory import HostMemory
from autrt.errors import EngineError
from autrt.types import TensorSpec
from tests.support.fakes import FakeEngine, grey_outputs


def crops(values):
    return (
        np.stack([np.full((112, 112, 3), v, np.uint8) for v in values])
        if values
        else np.empty((0, 112, 112, 3), np.uint8)
    )


def without_heads(pixels):
    return {"logits": grey_outputs(pixels)["logits"]}


def with_pose(pixels):
    logits = grey_outputs(pixels)["logits"]
    return {"logits": logits, "pose": np.stack([logits, -logits], axis=1), "quality": logits[:, :1]}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 255), max_size=11), max_size=8), st.integers(1, 5))
def test_batcher_gives_each_submission_its_own_outputs(groups, batch):
    batcher = CropBatcher([FakeEngine(batch=batch)], 2)
    pending = [batcher.submit(crops(group)) for group in groups]
    for one, group in zip(pending, groups, strict=True):
        outputs = one.result()
        assert {name: values.shape for name, values in outputs.items()} == {
            "logits": (len(group), 1, 2),
            "landmarks": (len(group), 5, 2),
            "presence": (len(group),),
        }
        np.testing.assert_array_equal(outputs["logits"][:, 0, 0], group)


def test_batcher_runs_full_batches_while_nobody_waits():
    engine = FakeEngine(batch=4)
    batcher = CropBatcher([engine], 2)
    pending = [batcher.submit(crops([i])) for i in range(10)]
    assert engine.batches == [4, 4]
    assert pending[9].result()["logits"][0, 0, 0] == 9
    assert engine.batches == [4, 4, 2]


def test_batcher_orders_members_and_fills_unused_ones_with_nan():
    batcher = CropBatcher([None, FakeEngine(without_heads, batch=4), FakeEngine(batch=2)], 2)
    outputs = batcher.submit(crops([7, 8, 9])).result()
    assert np.isnan(outputs["logits"][:, 0]).all()
    np.testing.assert_array_equal(outputs["logits"][:, 1], [[7, 8], [8, 9], [9, 10]])
    np.testing.assert_array_equal(outputs["presence"], [1, 1, 1])


def test_batcher_keeps_the_named_outputs_that_an_engine_has():
    wanted = [TensorSpec("pose", (2, 2), "float32"), TensorSpec("quality", (), "float32")]
    nowhere = TensorSpec("gaze", (3,), "float32")
    batcher = CropBatcher([FakeEngine(), FakeEngine(with_pose)], 2, outputs=[*wanted, nowhere])
    outputs = batcher.submit(crops([3, 5, 7, 9, 11])).result()
    assert set(outputs) == {"logits", "pose", "quality"}
    np.testing.assert_array_equal(outputs["quality"], [3, 5, 7, 9, 11])
    np.testing.assert_array_equal(outputs["pose"][:, 1], -outputs["logits"][:, 1])
    assert batcher.submit(crops([])).result()["pose"].shape == (0, 2, 2)


def test_batcher_takes_an_output_from_the_first_member_with_it():
    double = FakeEngine(lambda pixels: {name: 2 * value for name, value in with_pose(pixels).items()})
    quality = TensorSpec("quality", (), "float32")
    batcher = CropBatcher([None, FakeEngine(with_pose), double], 2, outputs=[quality])
    np.testing.assert_array_equal(batcher.submit(crops([4])).result()["quality"], [4])


def test_batcher_raises_an_engines_failure_to_all_who_wait():
    batcher = CropBatcher([FakeEngine(batch=2, error=EngineError("no luck"))], 2)
    pending = [batcher.submit(crops([1])), batcher.submit(crops([2]))]
    for one in pending:
        with pytest.raises(EngineError, match="no luck"):
            one.result()


def test_batcher_shares_batches_between_threads_unmixed():
    batcher = CropBatcher([FakeEngine(batch=8)], 2)
    barrier = threading.Barrier(6)

    def work(seed):
        rng = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(40):
            values = rng.integers(0, 255, rng.integers(0, 12)).tolist()
            np.testing.assert_array_equal(batcher.submit(crops(values)).result()["logits"][:, 0, 0], values)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def test_batch_that_videos_share_waits_for_what_was_done_with_it():
    log = []

    class Mark:
        def __init__(self):
            self.number = sum(kind == "mark" for kind, _ in log)
            log.append(("mark", self.number))

        def precede(self):
            log.append(("wait for", self.number))

    class Memory(HostMemory):
        def mark(self):
            return Mark()

    batcher = CropBatcher([FakeEngine(batch=4)], 1, Memory())
    batcher.submit(crops([1, 2]))
    batcher.submit(crops([3, 4]))
    waited = [number for kind, number in log if kind == "wait for"]
    assert waited == [0, 1, 2]
    assert log.index(("wait for", 1)) < log.index(("mark", 2)) < log.index(("wait for", 2))
