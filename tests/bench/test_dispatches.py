"""Counting of what the tensors' flow asks of a GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from autrt.gpu.transfer import HostCopy, to_device
from autrt_bench.measure.dispatches import count_dispatches


def some_work() -> None:
    placed = to_device(np.arange(12, dtype=np.float32), torch.device("cpu"))
    total = placed.reshape(3, 4)[:2].T + 1  # views are no kernels
    copy = HostCopy(torch.stack([total, total]))
    assert copy.result().shape == copy.result().shape == (2, 4, 2)


def test_kernels_copies_and_waits_of_all_threads_are_counted() -> None:
    with count_dispatches() as counts, ThreadPoolExecutor(1) as other:
        some_work()
        other.submit(some_work).result()
    assert counts.by_name == {"add": 2, "cat": 2}
    assert counts.kernels == 4
    moved = counts.transfers
    assert (moved.to_device, moved.to_host, moved.waits) == (2, 2, 2)


def test_what_is_copied_may_be_changed_at_once() -> None:
    array = np.zeros(5, np.uint8)
    placed = to_device(array, torch.device("cpu"))
    array[:] = 1
    assert not placed.any()
