"""Watches over the other processes of a run: a collective operation waits for a peer that is gone for ever.

Every process tells a shared store that it lives, and how it ended. A thread reads what the others say; when one
of them failed or fell silent it gives this process a little time to end by itself, and then ends it with a message.
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
"""How often a process says that it lives, and looks at the others."""

SILENT_S: Final = 30.0
"""A process that said nothing for so long is gone."""

GRACE_S: Final = 10.0
"""Time for this process to notice by itself, to end with its own message and without being killed."""

ADVICE: Final = "The last checkpoint is whole: mend that and go on with --resume"


class Store(Protocol):
    """What is used of `torch.distributed.Store`."""

    def set(self, key: str, value: str) -> None:
        """Store a value."""
        ...

    def get(self, key: str) -> bytes:
        """Return a value; waits for one."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Return whether all keys have values."""
        ...


def connect() -> Store:
    """Return a connection to the run's store, apart from the one that collective operations use."""
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
    """The other processes, watched from a thread until `close`.

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
        """Return which process is gone and why; None if none is known to be.

        Args:
            wait_s: how long to wait for such news.
        """
        self._noticed.wait(wait_s)
        return self._lost

    def announce_failure(self, reason: str) -> None:
        """Tell the others that this process ends, and why."""
        self._write_end(reason or "no reason given")

    def stop(self) -> None:
        """Stop watching: this process has come to its end. What `announce_failure` told stays."""
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
            return  # the store went with the process that held it

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
        """Return what is wrong with a process, if anything is."""
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
    """End the process from any thread, whatever the others wait for."""
    sys.stderr.write(f"error: {message}\n")
    sys.stderr.flush()
    os._exit(1)
