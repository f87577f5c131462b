"""Work on many results files in parallel processes, so that a file that crashes HDF5 costs only itself."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Died:
    """The result of an item whose process died."""

    how: str
    """Name of the signal, or the exit code."""

    def __str__(self) -> str:
        return f"the process that read it died ({self.how}): the file crashes HDF5, or memory ran out"


def in_processes(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], jobs: int, preload: str
) -> Generator[tuple[int, ResultT | Died]]:
    """Call a function with each item, `jobs` at a time; yield the item's position and result when it is done.

    Closing the generator ends the processes.

    Args:
        function: can be pickled, and raises nothing; it is sent to each process once.
        items: its arguments, which can be pickled.
        jobs: most processes.
        preload: a module that the processes share from their start.
    """
    waiting = iter(enumerate(items))
    processes = [_Process(function, preload) for _ in range(min(jobs, len(items)))]
    busy: dict[Any, tuple[_Process[ItemT, ResultT], int]] = {}
    try:
        for process, (place, item) in zip(processes, waiting, strict=False):
            busy[process.start(item)] = process, place
        while busy:
            for connection in wait(list(busy)):
                process, place = busy.pop(connection)
                yield place, process.result()
                for following, item in waiting:
                    busy[process.start(item)] = process, following
                    break
    finally:
        for process in processes:
            process.kill()


class _Process(Generic[ItemT, ResultT]):
    """Does items one after the other in its own process, which is restarted after a crash."""

    def __init__(self, function: Callable[[ItemT], ResultT], preload: str) -> None:
        self._function = function
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload])
        self._process: Any = None
        self._connection: Connection | None = None

    def start(self, item: ItemT) -> Connection:
        """Start an item; the returned connection becomes readable when `result` is available."""
        connection = self._connection or self._start_process()
        connection.send(item)
        return connection

    def result(self) -> ResultT | Died:
        """Return the result for the item."""
        assert self._connection is not None
        try:
            return self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            self.kill()
            return Died(signal.Signals(-code).name if code < 0 else f"exit code {code}")

    def kill(self) -> None:
        """Kill the process."""
        if self._connection is not None:
            self._connection.close()
            if self._process.pid is not None:  # None: interrupted before the process started
                self._process.kill()
                self._process.join()
        self._connection = self._process = None

    def _start_process(self) -> Connection:
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(self._function, theirs), daemon=True)
        self._connection = ours
        resource_tracker.ensure_running()  # starting it later would unblock the signal again
        # Ctrl-C reaches the whole process group; a process that is just starting would die with a traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that the connection ends with the process
        return ours


def _serve(function: Callable[[Any], Any], connection: Connection) -> None:
    """Do the items that arrive on the connection until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    try:
        while True:
            connection.send(function(connection.recv()))
    except (EOFError, ConnectionError):
        pass
