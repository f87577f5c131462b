"""Distribution of jobs over processes, one a core.

Every job has random numbers of its own and runs in a process with one thread, so the result does not depend on the
number of processes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Final, TypeVar

import cv2

from autrt.errors import AutrtError, DiskFullError
from autrt.storage.disk import FULL

J = TypeVar("J")
R = TypeVar("R")

THREAD_SETTINGS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def map_in_processes(
    do: Callable[[J], R], jobs: Sequence[J], workers: int, begin: Callable[..., None], *given: object
) -> Generator[tuple[J, R]]:
    """Run all jobs in processes and yield each job with its result as it completes, in any order.

    Args:
        do: function of a job; must be importable from a module.
        jobs: picklable.
        workers: number of processes.
        begin: called first in each process with `given`.
        given: picklable arguments of `begin`.

    Raises:
        DiskFullError: the disk is full.
        AutrtError: a process died.
    """
    context = multiprocessing.get_context("spawn")
    count = max(1, min(workers, len(jobs)))
    with (
        _one_thread_each(),
        _explained_errors(ProcessPoolExecutor(count, context, _start, (begin, given))) as pool,
    ):
        waiting = {pool.submit(do, job): job for job in jobs}
        for ready in as_completed(waiting):
            yield waiting.pop(ready), ready.result()


@contextmanager
def _explained_errors(pool: ProcessPoolExecutor) -> Generator[ProcessPoolExecutor]:
    """Yield the pool; translate its errors, and end its processes with the block in any case."""
    others = set(multiprocessing.active_children())
    whole = False
    try:
        yield pool
        whole = True
    except BrokenProcessPool as error:
        raise AutrtError(
            "a drawing process died, most likely for want of memory: run again with fewer --workers"
        ) from error
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError("the disk is full; nothing was kept: make room and run again") from error
        raise
    finally:
        for process in set(multiprocessing.active_children()) - others if not whole else ():
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread_each() -> Generator[None]:
    """Set an environment in which numerical libraries of new processes use one thread."""
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _start(begin: Callable[..., None], given: tuple[object, ...]) -> None:
    """Set up a process: ignore Ctrl-C, which the parent handles, and end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    cv2.setNumThreads(1)
    begin(*given)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
