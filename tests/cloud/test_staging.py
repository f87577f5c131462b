"""Copies ahead of their turn: in order, within a limit, each removed after its turn."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.cloud.retry import RequestCancelledError
from autrt.cloud.staging import Staging


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=20),
    limit=st.integers(1, 30),
    workers=st.integers(1, 4),
    ahead=st.integers(1, 6),
)
def test_what_is_on_disk_never_exceeds_the_limit(sizes, limit, workers, ahead):
    lock, here, most = threading.Lock(), {}, [0]
    size_of = {str(i): size for i, size in enumerate(sizes)}

    def copy(key, stop):
        with lock:
            if size_of[key] > limit:
                raise ValueError(key)
            here[key] = size_of[key]
            most[0] = max(most[0], sum(here.values()))
        return key

    def drop(key):
        with lock:
            here.pop(key, None)

    def use(key):
        try:
            with staging.staged(key, threading.Event()) as found:
                return found
        except ValueError as error:
            return error

    staging = Staging(
        list(size_of), ahead=ahead, limit_bytes=limit, size_of=size_of.__getitem__, copy=copy, drop=drop
    )
    with closing(staging), ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(use, size_of))
    assert [key if isinstance(key, str) else str(key) for key in found] == list(size_of)
    assert [isinstance(one, ValueError) for one in found] == [size > limit for size in sizes]
    assert most[0] <= limit
    assert not here


def test_the_next_are_copied_while_one_is_used_and_none_once_the_run_stops():
    copied, second = [], threading.Event()

    def copy(key, stop):
        copied.append(key)
        if key == "b":
            second.set()
        return key

    staging = Staging(
        "abcdef", ahead=2, limit_bytes=9, size_of=lambda key: 1, copy=copy, drop=lambda key: None
    )
    stop = threading.Event()
    with closing(staging):
        with staging.staged("a", stop):
            assert second.wait(10)
        stop.set()
        with pytest.raises(RequestCancelledError), staging.staged("f", stop):
            pass
    assert "f" not in copied
