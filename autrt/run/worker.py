"""Worker processes for videos: threads share Python's lock, and a video may crash its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from types import ModuleType
from typing import Any, Final

from autrt.console.progress import VideoProgress
from autrt.engine.gpu import find_gpu
from autrt.errors import AutrtError, DeviceError, EngineError, VideoError
from autrt.gpu import shares
from autrt.machine import memory_limit
from autrt.pipeline.open_networks import is_light, open_networks
from autrt.pipeline.recognise import StoppedError
from autrt.run.job import Job, OnProgress, configure_process
from autrt.run.notes import internal_error
from autrt.run.split_video import Task, do_task

VIDEOS_EACH: Final = 4
"""Fewest videos that a process is started for: its start costs about a second of a core."""

LIGHT_ENGINES: Final = ("openvino", "onnxruntime")
"""Engines that are small in memory, too."""

PROCESS_BYTES: Final = 600 << 20
"""Memory that a process may need with frames of up to 4K; see `memory_budget` for larger ones."""

VIDEO_BYTES: Final = 300 << 20
"""Memory that one more video may need in a process that does several, with frames of up to 4K."""

_REPORT_S: Final = 0.1
"""Time between reports of a process."""

_POLL_S: Final = 0.2
"""Time between checks of the stop event while a process is silent."""


_STARTING: Final = threading.Lock()
"""Held while a process is started."""


class CrashError(VideoError):
    """A video crashed the process that was doing it."""


def processes_for(
    job: Job, videos: int, most: int | None = None, devices: Sequence[str] = ("cpu",)
) -> list[str]:
    """Return the device of each worker process for some videos; none where this process should do them all.

    On GPUs processes do every video: a video may crash the driver's part in its process, and threads share Python's
    lock.

    Args:
        job: model, settings and cores.
        videos: number of videos.
        most: the user's limit; by default the number of cores. Memory is a limit in any case.
        devices: cpu, or cuda:N of each GPU.
    """
    if (
        multiprocessing.current_process().daemon
    ):  # such as a worker of multiprocessing.Pool: it may not start any
        return []
    if devices[0] != "cpu":
        sizes = [_memory_bytes(device) for device in devices]
        dealt = shares.processes_on(sizes, job.threads, memory_limit(), most)
        return [devices[gpu] for gpu in dealt[:videos]]
    if not fits_every_core(job):
        return []
    n = int(min(most or job.threads, videos // VIDEOS_EACH, memory_limit() / PROCESS_BYTES))
    return ["cpu"] * n if n > 1 else []


def fits_every_core(job: Job) -> bool:
    """Return whether every core can have a process with networks of its own."""
    return job.settings.engine in LIGHT_ENGINES and is_light(job.model)


def _memory_bytes(device: str) -> int:
    """Return a GPU's memory, 0 where it is not known."""
    gpu = find_gpu(device)
    return gpu.memory_bytes if gpu else 0


class Worker:
    """A process that does one video after another; it starts with the first of them.

    A crash, or a GPU that fails, costs the video that was being done; the next one gets a new process.

    Args:
        job: model, settings and output folder.
        threads: cores that the process may use.
        device: cpu or cuda:N; by default the job's.
    """

    def __init__(self, job: Job, threads: int, device: str | None = None) -> None:
        settings = job.settings if device is None else replace(job.settings, device=device)
        self._job = replace(job, threads=threads, settings=settings)
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def do(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        """Call `do_task` in the process.

        Raises:
            CrashError: the process died.
            DeviceError: its GPU failed; the process is ended.
            EngineError: no process can be started; and all that `do_task` raises.
        """
        try:
            answer = self._ask(task, stop, on_progress)
        except (EOFError, ConnectionError):
            how = self._close_dead()
            raise CrashError(
                f"crashes the process that does it ({how}), more than once: repair or remove the file"
            ) from None
        if isinstance(answer, DeviceError):
            self.close()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        connection = self._connection or self._start()
        connection.send(task)
        asked_to_stop = False
        while True:
            if stop.is_set() and not asked_to_stop:
                connection.send(None)
                asked_to_stop = True
            if connection.poll(_POLL_S):
                answer: Any = connection.recv()
                if not isinstance(answer, VideoProgress):
                    return answer
                on_progress(answer)

    def _start(self) -> Connection:
        if multiprocessing.current_process().daemon:
            raise VideoError("needs a process of its own, which a daemonic process cannot start")
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._job, theirs))
        resource_tracker.ensure_running()  # its start would undo the next line
        # The process inherits the mask: signals go to the whole group, and the parent decides what they mean.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            with _without_main():
                process.start()
        except OSError as error:
            ours.close()
            raise EngineError(
                f"cannot start a worker process ({error.strerror or error}): free memory or processes, or do all "
                "videos in one process (--workers 1)"
            ) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()  # so that its end is the process's end
        self._process, self._connection = process, ours
        return ours

    def _close_dead(self) -> str:
        """Close a dead process and return how it ended."""
        assert self._process is not None
        process = self._process
        self.close()
        code = process.exitcode or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """End the process."""
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.join()
        self._connection = self._process = None


@contextmanager
def _without_main() -> Generator[None]:
    """Hide the script, so that a new process does not import it: it may call `autrt.infer` as it is imported."""
    with _STARTING:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


class ThrottledProgress:
    """Passes reports on, at most one every so many seconds: each costs both processes some work.

    The last report of a video may be dropped: the outcome holds the same.

    Args:
        on_progress: takes the reports.
        every_s: time between them.
    """

    def __init__(self, on_progress: OnProgress, every_s: float = _REPORT_S) -> None:
        self._on_progress, self._every_s = on_progress, every_s
        self._frames = 0
        self._last_s = 0.0

    def __call__(self, progress: VideoProgress) -> None:
        """Take a report."""
        self._frames += progress.frames
        now_s = time.monotonic()
        if not progress.frames or now_s - self._last_s >= self._every_s:
            self._on_progress(progress._replace(frames=self._frames))
            self._frames, self._last_s = 0, now_s


def answer_of(do: Callable[[], Any]) -> Any:
    """Return what a task gives, or the exception to raise in the process that asked for it."""
    try:
        return do()
    except (AutrtError, StoppedError) as error:
        return error
    except Exception as error:
        return VideoError(internal_error(error))


def _serve(job: Job, connection: Connection) -> None:
    """Do the tasks that come through the connection; the main function of the process."""
    asked: SimpleQueue[Task] = SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, asked, stop), daemon=True).start()
    try:
        with closing(open_networks(job.model, job.settings, job.threads)) as networks:
            configure_process()
            while True:
                task = asked.get()
                progress = ThrottledProgress(connection.send)
                answer = answer_of(partial(do_task, job, networks, task, stop, progress))
                connection.send(answer)
                if isinstance(answer, DeviceError):
                    os._exit(1)  # closing engines could wait for the GPU for ever
    except AutrtError as error:
        connection.send(error)


def _listen(connection: Connection, asked: SimpleQueue[Task], stop: threading.Event) -> None:
    """Receive tasks, and None for "stop the last one"; end the process where the parent is gone, killed perhaps."""
    try:
        while True:
            task: Task | None = connection.recv()
            if task is None:
                stop.set()
            else:
                stop.clear()
                asked.put(task)
    except (EOFError, ConnectionError):
        os._exit(0)
