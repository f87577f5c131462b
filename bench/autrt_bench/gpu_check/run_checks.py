"""Checks run in a process of their own: one that crashes, hangs or breaks the GPU spoils no other.

After some errors CUDA does nothing more in a process, so a process in which a check failed is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final

from autrt_bench.gpu_check.checks import Check, Outcome, Row, attempt

USUAL_S: Final = 540
"""Time for all checks on a GPU server."""

GRACE_S: Final = 10
"""Time for processes to end when they are asked to."""

_CONTEXT: Final = multiprocessing.get_context("spawn")


def run_checks(checks: Sequence[Check], limit_s: float) -> Iterator[Row]:
    """Run checks one after the other and yield their rows; each tier has a process of its own.

    Args:
        checks: in order of their tiers.
        limit_s: time for all of them; those that it does not suffice for fail. Where it is more than `USUAL_S`,
            each check has as many times more.
    """
    end_s = time.monotonic() + limit_s
    with closing(_Process()) as process:
        tier = None
        for check in checks:
            if check.tier != tier:
                process.close()
                tier = check.tier
            start_s = time.monotonic()
            left_s = end_s - start_s
            if left_s <= 0:
                note = f"not run: the {limit_s / 60:g} minutes are over; run it by --tier {check.tier}"
                yield Row.of(check, "failed", note, 0)
                continue
            patience_s = check.limit_s * max(1, limit_s / USUAL_S)
            status, note, measured = process.run(check, min(patience_s, left_s))
            yield Row.of(check, status, note, time.monotonic() - start_s, measured)


class _Process:
    """A process that runs checks; it leads a process group, so that what its checks started ends with it."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def run(self, check: Check, limit_s: float) -> Outcome:
        """Run a check and return its outcome; a crash is a failure, and so is no answer within a time."""
        connection = self._connection or self._start()
        connection.send(check)
        try:
            if not connection.poll(limit_s):
                self.close()
                return "failed", f"did not end within {limit_s:.0f} s", None
            outcome: Outcome = connection.recv()
        except (EOFError, ConnectionError):
            return "failed", f"crashes its process ({self._ending()})", None
        if outcome[0] == "failed":
            self.close()
        return outcome

    def close(self) -> None:
        """End the process and what it started."""
        if self._process is not None and self._connection is not None:
            self._connection.close()
            _end_group(self._process)
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _start(self) -> Connection:
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()  # so that its end is the process's end
        return self._connection

    def _ending(self) -> str:
        process = self._process
        assert process is not None
        process.join(10)
        code = process.exitcode or 0
        self.close()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _end_group(process: SpawnProcess) -> None:
    """End the group of a process; those in it that end others first, as torchrun does, have time for it."""
    leader = process.pid or 0
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGTERM)
        end_s = time.monotonic() + GRACE_S
        while time.monotonic() < end_s:
            process.is_alive()  # takes note of its end
            os.killpg(leader, 0)  # raises where none of the group is left
            time.sleep(0.05)
        os.killpg(leader, signal.SIGKILL)


def _serve(connection: Connection) -> None:
    """Run the checks that come through the connection, until it is closed."""
    os.setsid()
    with suppress(EOFError):
        while True:
            connection.send(attempt(connection.recv()))
