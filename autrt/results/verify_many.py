"""Verifies many results files at once, each in a process: one that crashes HDF5 costs that file alone."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from autrt.results.verify import Checked, check


def check_many(paths: Sequence[Path], jobs: int) -> Generator[tuple[int, Checked]]:
    """Check files, so many at a time; give each one's place in `paths` and what was found, as they are done.

    Closing the generator ends the processes.
    """
    waiting = iter(enumerate(paths))
    checkers = [_Checker() for _ in range(min(jobs, len(paths)))]
    busy: dict[Any, tuple[_Checker, int]] = {}
    try:
        for checker, (place, path) in zip(checkers, waiting, strict=False):
            busy[checker.ask(path)] = checker, place
        while busy:
            for connection in wait(list(busy)):
                checker, place = busy.pop(connection)
                yield place, checker.answer()
                for following, path in waiting:
                    busy[checker.ask(path)] = checker, following
                    break
    finally:
        for checker in checkers:
            checker.end()


class _Checker:
    """Checks one file after another in a process, which starts with the first, and anew after a crash."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["autrt.results.verify"])
        self._process: Any = None
        self._connection: Connection | None = None

    def ask(self, path: Path) -> Connection:
        """Begin with a file; the connection is ready when `answer` is."""
        connection = self._connection or self._start()
        connection.send(path)
        return connection

    def answer(self) -> Checked:
        """What was found in the file."""
        assert self._connection is not None
        try:
            return self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            self.end()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Checked(
                (f"the process that read it died ({how}): the file crashes HDF5, or memory ran out",)
            )

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._connection is not None:
            self._connection.close()
            if self._process.pid is not None:  # it may have been interrupted before it started
                self._process.kill()
                self._process.join()
        self._connection = self._process = None

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._connection = ours
        resource_tracker.ensure_running()  # its start would undo the next line
        # Ctrl-C goes to the whole group: a process that it met while it starts would die with a traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that its end is the process's end
        return ours


def _serve(connection: Connection) -> None:
    """In the process: check what is asked until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked decides
    try:
        while True:
            connection.send(check(connection.recv()))
    except (EOFError, ConnectionError):
        pass
