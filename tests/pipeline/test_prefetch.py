"""Joining stages: order, errors, backpressure, and threads that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.pipeline.prefetch import prefetch, read_ahead


@given(st.lists(st.integers()), st.integers(1, 5))
def test_prefetch_gives_the_same_items_in_order(items, size):
    assert list(prefetch(items, size)) == items


def test_prefetch_takes_its_items_in_the_stream_of_its_thread():
    inside = threading.local()

    @contextmanager
    def stream():
        inside.yes = True
        yield
        inside.yes = False

    def source():
        yield inside.yes
        yield inside.yes

    assert list(prefetch(source(), 2, stream=stream)) == [True, True]
    assert not hasattr(inside, "yes")  # this thread's own


def test_prefetch_raises_the_error_of_a_stream_that_cannot_be_entered():
    def stream():
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        list(prefetch([1], 2, stream=stream))


def test_prefetch_raises_its_sources_error_after_its_items():
    def source():
        yield 1
        raise ValueError("broken")

    stream = prefetch(source(), 2)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_prefetch_never_runs_far_ahead():
    made: list[int] = []
    release = threading.Event()

    def source() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i
        release.set()

    stream = prefetch(source(), 3)
    next(stream)
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert len(made) == 5  # one taken, three waiting, one in hand
    assert list(stream)[-1] == 99


def test_prefetch_closed_early_ends_its_thread_and_source():
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    before = threading.active_count()
    stream = prefetch(prefetch(source(), 2), 2)
    assert next(stream) == 0
    stream.close()
    assert closed.wait(5)
    assert threading.active_count() == before


@given(st.lists(st.integers(1, 5)), st.integers(0, 20), st.sampled_from([lambda item: item, lambda item: 1]))
def test_read_ahead_gives_the_same_items_and_holds_few(items, amount, weigh):
    taken: list[int] = []

    def source() -> Iterator[int]:
        for item in items:
            taken.append(item)
            yield item

    given_out = []
    for item in read_ahead(source(), amount, weigh):
        given_out.append(item)
        held = taken[len(given_out) :]
        assert sum(map(weigh, held[:-1])) <= amount
    assert given_out == items
