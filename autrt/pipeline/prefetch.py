"""Joints between stages: `prefetch` runs a stage in a thread of its own, `read_ahead` starts its work early."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

from autrt.types import Stream

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def prefetch(
    source: Iterable[T], size: int, name: str = "prefetch", stream: Stream = nullcontext
) -> Generator[T, None, None]:
    """Run `source` in a thread of its own, at most `size` items ahead of the consumer.

    An exception of the source is raised here, after the items before it. Closing this iterator ends the thread
    after the item that it is working on, and closes the source.

    Args:
        source: iterated once, in that thread.
        size: items that may wait, at least 1.
        name: of the thread.
        stream: entered by the thread.
    """
    # Both ends run without Python's own code between them and the lock: a frame passes here twice.
    items: SimpleQueue[T | _End] = SimpleQueue()
    room: SimpleQueue[None] = SimpleQueue()
    for _ in range(size):
        room.put(None)
    stop = threading.Event()
    arguments = (source, items, room, stop, stream)
    thread = threading.Thread(target=_produce, args=arguments, name=name, daemon=True)
    thread.start()
    try:
        while not isinstance(item := items.get(), _End):
            room.put(None)
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        room.put(None)  # frees the producer, which may wait for it
        thread.join()


def _produce(
    source: Iterable[T],
    items: SimpleQueue[T | _End],
    room: SimpleQueue[None],
    stop: threading.Event,
    stream: Stream,
) -> None:
    """Put the source's items, then an `_End`, until `stop` is set."""
    error: BaseException | None = None
    iterator = iter(source)
    try:
        with stream():
            for item in iterator:
                room.get()
                if stop.is_set():
                    break
                items.put(item)
    except BaseException as problem:
        error = problem
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        items.put(_End(error))


def read_ahead(source: Iterable[T], amount: int, weigh: Callable[[T], int] = lambda _: 1) -> Iterator[T]:
    """Take items from `source` before they are asked for, so that the work they started has time to finish.

    The items held weigh at most `amount` together, without the last of them; at least one is always taken.

    Args:
        source: iterated once, in the consumer's thread.
        amount: weight of the items that may be held.
        weigh: weight of an item.
    """
    held: deque[T] = deque()
    weight = 0
    for item in source:
        held.append(item)
        weight += weigh(item)
        while weight > amount:
            first = held.popleft()
            weight -= weigh(first)
            yield first
    yield from held
