"""Verification of many results files in parallel processes, so that a file that crashes HDF5 costs only itself."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from autrt.results.verification.verify import VerifyResult, verify_file


def verify_many(paths: Sequence[Path], jobs: int) -> Generator[tuple[int, VerifyResult]]:
    """Verify files, `jobs` at a time; yield the position in `paths` and the result of each when it is done.

    Closing the generator ends the processes.
    """
    waiting = iter(enumerate(paths))
    processes = [_VerifyProcess() for _ in range(min(jobs, len(paths)))]
    busy: dict[Any, tuple[_VerifyProcess, int]] = {}
    try:
        for process, (place, path) in zip(processes, waiting, strict=False):
            busy[process.start(path)] = process, place
        while busy:
            for connection in wait(list(busy)):
                process, place = busy.pop(connection)
                yield place, process.result()
                for following, path in waiting:
                    busy[process.start(path)] = process, following
                    break
    finally:
        for process in processes:
            process.kill()


class _VerifyProcess:
    """Verifies files one after the other in its own process, which is restarted after a crash."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["autrt.results.verification.verify"])
        self._process: Any = None
        self._connection: Connection | None = None

    def start(self, path: Path) -> Connection:
        """Start verifying a file; the returned connection becomes readable when `result` is available."""
        connection = self._connection or self._start_process()
        connection.send(path)
        return connection

    def result(self) -> VerifyResult:
        """Return the result for the file."""
        assert self._connection is not None
        try:
            return self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            self.kill()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return VerifyResult(
                problems=(f"the process that read it died ({how}): the file crashes HDF5, or memory ran out",)
            )

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
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
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


def _serve(connection: Connection) -> None:
    """Verify the files that arrive on the connection until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    try:
        while True:
            connection.send(verify_file(connection.recv()))
    except (EOFError, ConnectionError):
        pass
