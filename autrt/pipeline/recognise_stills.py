"""The flow of a folder of stills: each is recognised by itself, as if it were alone, several at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from autrt.errors import VideoError
from autrt.types import Block, Decoder, Loss
from autrt.video.still_folder import STILLS_RATE, StillFolder

AT_ONCE: Final = 4
"""Stills in flight: their faces share the networks' batches, and one is decoded while another is searched."""

_BYTES_PER_PIXEL: Final = 3

Recognised = Callable[[Decoder], Generator[Block, None, None]]
"""Returns the blocks of a video."""


class _Done(NamedTuple):
    """The end of one still."""

    block: Block | None
    """None where it could not be decoded."""
    lost: Iterable[Loss]


def recognised_stills(
    folder: StillFolder, recognised: Recognised, room_bytes: int
) -> Generator[Block, None, None]:
    """Yield a block for each still that can be decoded, in order; the others become losses of the folder.

    Rows and tracks are numbered on; no track goes from one still to another.

    Args:
        folder: the stills.
        recognised: recognises one still.
        room_bytes: pictures that may be in flight; one of more is done alone.

    Raises:
        EngineError: a network failed.
    """
    room = _Room(room_bytes)

    def do(index: int) -> _Done:
        with room.taken(_BYTES_PER_PIXEL * folder.pixels(index)):
            try:
                with closing(folder.open_one(index)) as still:
                    (block,) = recognised(still)
                    return _Done(block, still.lost)
            except VideoError as error:
                return _Done(None, [Loss(0.0, 1, str(error))])

    n_rows = n_tracks = 0
    for index, done in enumerate(_in_order(do, len(folder))):
        for loss in done.lost:
            folder.lose(index, loss.reason, loss.packets)
        if (block := done.block) is None:
            continue
        place, faces = np.array([index], np.int64), block.faces
        yield replace(
            block,
            index=place,
            pts=place,
            time_s=place / float(STILLS_RATE),
            faces=replace(faces, row=faces.row + n_rows, track=faces.track + np.int32(n_tracks)),
        )
        n_rows += 1
        n_tracks += len(faces)


def _in_order(do: Callable[[int], _Done], n: int) -> Iterator[_Done]:
    """Yield what `do` returns for 0…n − 1, several of which are under way."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="still") as pool:
        waiting = deque[Future[_Done]]()
        try:
            for index in range(n):
                waiting.append(pool.submit(do, index))
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Room:
    """Memory for the pictures in flight."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes, self._taken_bytes = limit_bytes, 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size_bytes: int) -> Generator[None]:
        """Wait until there is room, or nothing else is in flight, and take it."""
        with self._changed:
            while self._taken_bytes and self._taken_bytes + size_bytes > self._limit_bytes:
                self._changed.wait()
            self._taken_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._taken_bytes -= size_bytes
                self._changed.notify_all()
