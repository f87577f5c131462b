"""Watch over the other processes of a run, because collective operations wait for ever for one that is gone.

Every process writes heartbeats, and the reason of its end, to a shared store. A thread reads those of the others;
when one failed or fell silent, it gives this process a grace period to end by itself, then ends it with a message.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]

BEAT_S: Final = 1.0
"""Interval of heartbeats and checks."""

SILENT_S: Final = 30.0
"""A process without heartbeats for this long is gone."""

GRACE_S: Final = 10.0
"""Time for this process to notice the loss itself and end with its own message."""

ADVICE: Final = "The last checkpoint is whole: mend that and go on with --resume"


class Store(Protocol):
    """The methods of `torch.distributed.Store` that are used."""

    def set(self, key: str, value: str) -> None:
        """Store a value."""
        ...

    def get(self, key: str) -> bytes:
        """Return a value; wait until there is one."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Return whether all keys have values."""
        ...


def connect() -> Store:
    """Connect to the run's store, separately from the connection that collective operations use."""
    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        timeout=timedelta(seconds=SILENT_S),
        wait_for_workers=False,
    )
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"autrt/{attempt}", store)


class ProcessWatch:
    """Watches the other processes from a thread until `stop`.

    Args:
        rank: of this process.
        size: number of processes.
        store: shared by all of them.
        end: called with a message when another process is gone and this one did not end by itself.
    """

    def __init__(
        self, rank: int, size: int, store: Store, end: Callable[[str], object] | None = None
    ) -> None:
        self._rank, self._size, self._store = rank, size, store
        self._end = end or _exit
        self._closed = threading.Event()
        self._ended = False
        self._lost: str | None = None
        self._noticed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peers", daemon=True)
        self._thread.start()

    def lost_process(self, wait_s: float = 0.0) -> str | None:
        """Return which process is gone and why, or None.

        Args:
            wait_s: how long to wait for a process to be lost.
        """
        self._noticed.wait(wait_s)
        return self._lost

    def announce_failure(self, reason: str) -> None:
        """Announce to the others that this process ends, and why."""
        self._write_end(reason or "no reason given")

    def stop(self) -> None:
        """Stop watching because this process ends. A reason given to `announce_failure` stays."""
        self._closed.set()
        self._thread.join(2 * BEAT_S)
        self._write_end("")

    def _write_end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            self._store.set(f"end/{self._rank}", reason)
        except (RuntimeError, ValueError):
            return  # the store ended with the process that hosts it

    def _watch(self) -> None:
        heard: dict[int, tuple[str, float]] = {}
        beat = 0
        while not self._closed.wait(BEAT_S):
            beat += 1
            try:
                self._store.set(f"beat/{self._rank}", str(beat))
                lost_process = next(
                    filter(None, (self._check_process(r, heard) for r in range(self._size))), None
                )
            except (RuntimeError, ValueError):
                lost_process = f"process 1 of {self._size}, which keeps the others together, is gone"
            if lost_process is not None:
                self._end_process(lost_process)
                return

    def _check_process(self, rank: int, heard: dict[int, tuple[str, float]]) -> str | None:
        """Return the problem of a process, or None."""
        if rank == self._rank:
            return None
        name = f"process {rank + 1} of {self._size}"
        if self._store.check([f"end/{rank}"]):
            reason = self._store.get(f"end/{rank}").decode()
            return f"{name} failed: {reason}" if reason else None
        beat = self._store.get(f"beat/{rank}").decode() if self._store.check([f"beat/{rank}"]) else ""
        now_s = time.monotonic()
        if rank not in heard or heard[rank][0] != beat:
            heard[rank] = beat, now_s
        if now_s - heard[rank][1] < SILENT_S:
            return None
        return f"{name} has not answered for {SILENT_S:.0f} s: it was killed, or its machine is gone"

    def _end_process(self, lost_process: str) -> None:
        self._lost = lost_process
        self._noticed.set()
        if not self._closed.wait(GRACE_S):
            self._end(f"{lost_process}. {ADVICE}")


def _exit(message: str) -> None:
    """End the process from any thread, whatever its other threads wait for."""
    sys.stderr.write(f"error: {message}\n")
    sys.stderr.flush()
    os._exit(1)
