"""Worker processes for videos: threads share Python's lock, and a video may crash its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from types import ModuleType
from typing import Final

from autrt.engine.gpu import find_gpu
from autrt.errors import AutrtError, DeviceError, EngineError, VideoError
from autrt.machine import memory_limit
from autrt.pipeline.open_networks import open_networks
from autrt.pipeline.recognise import StoppedError
from autrt.run.do_video import do_video
from autrt.run.job import Job, OnProgress, Outcome, VideoProgress, configure_process
from autrt.run.notes import internal_error
from autrt.types import Source

VIDEOS_EACH: Final = 4
"""Fewest videos that a process is started for: its start costs about a second of a core."""

LIGHT_BYTES: Final = 32 << 20
"""Networks up to this size compute so fast that Python's lock limits many cores, and every process can hold them.
Larger ones keep all cores busy from one process."""

LIGHT_ENGINES: Final = ("openvino", "onnxruntime")
"""Engines that are small in memory, too."""

PROCESS_BYTES: Final = 600 << 20
"""Memory that a process may need with frames of up to 4K; see `memory_budget` for larger ones."""

VIDEO_BYTES: Final = 300 << 20
"""Memory that one more video may need in a process that does several, with frames of up to 4K."""

MOST_ON_GPU: Final = 8
"""Most worker processes on one GPU."""

CORES_EACH: Final = 2
"""Cores that a video on a GPU keeps busy."""

GPU_PROCESS_BYTES: Final = 3 << 30
"""Memory of the host that a process on a GPU may need: CUDA, torch and the engines' libraries."""

ON_GPU_BYTES: Final = 6 << 30
"""Memory of the GPU that a process may need: CUDA's own, engines, decoder and frames of up to 4K."""

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
        return _on_gpus(job, videos, most, devices)
    size = sum(facts.size_bytes for member in job.model.members for facts in member.files.values())
    if job.settings.engine not in LIGHT_ENGINES or size > LIGHT_BYTES:
        return []
    n = int(min(most or job.threads, videos // VIDEOS_EACH, memory_limit() / PROCESS_BYTES))
    return ["cpu"] * n if n > 1 else []


def _on_gpus(job: Job, videos: int, most: int | None, devices: Sequence[str]) -> list[str]:
    """Deal processes out among GPUs: at least one for each, where there are as many videos."""
    n = int(min(most or job.threads // CORES_EACH, memory_limit() / GPU_PROCESS_BYTES))
    room = {device: _room_on(device) for device in devices}
    dealt = [device for turn in range(MOST_ON_GPU) for device in devices if turn < room[device]]
    return dealt[: min(max(n, len(devices)), videos)]


def _room_on(device: str) -> int:
    """Return the number of processes that a GPU's memory holds, at least one."""
    gpu = find_gpu(device)
    known = gpu is not None and gpu.memory_bytes
    return max(1, min(MOST_ON_GPU, gpu.memory_bytes // ON_GPU_BYTES)) if gpu and known else MOST_ON_GPU


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

    def do(self, source: Source, stop: threading.Event, on_progress: OnProgress) -> Outcome:
        """Call `do_video` in the process.

        Raises:
            CrashError: the process died.
            DeviceError: its GPU failed; the process is ended.
            EngineError: no process can be started; and all that `do_video` raises.
        """
        try:
            answer = self._ask(source, stop, on_progress)
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

    def _ask(self, source: Source, stop: threading.Event, on_progress: OnProgress) -> Outcome | Exception:
        connection = self._connection or self._start()
        connection.send(source)
        asked_to_stop = False
        while True:
            if stop.is_set() and not asked_to_stop:
                connection.send(None)
                asked_to_stop = True
            if connection.poll(_POLL_S):
                answer: VideoProgress | Outcome | Exception = connection.recv()
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


class _ThrottledProgress:
    """Passes reports on, at most one every `_REPORT_S`: each costs both processes some work.

    The last report of a video may be dropped: the outcome holds the same.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._frames = 0
        self._last_s = 0.0

    def __call__(self, progress: VideoProgress) -> None:
        self._frames += progress.frames
        now_s = time.monotonic()
        if not progress.frames or now_s - self._last_s >= _REPORT_S:
            self._on_progress(progress._replace(frames=self._frames))
            self._frames, self._last_s = 0, now_s


def _serve(job: Job, connection: Connection) -> None:
    """Do the videos that come through the connection; the main function of the process."""
    asked: SimpleQueue[Source] = SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, asked, stop), daemon=True).start()
    try:
        with closing(open_networks(job.model, job.settings, job.threads)) as networks:
            configure_process()
            while True:
                source = asked.get()
                try:
                    progress = _ThrottledProgress(connection.send)
                    connection.send(do_video(job, networks, source, stop, progress))
                except DeviceError as error:
                    connection.send(error)
                    os._exit(1)  # closing engines could wait for the GPU for ever
                except (AutrtError, StoppedError) as error:
                    connection.send(error)
                except Exception as error:
                    connection.send(VideoError(internal_error(error)))
    except AutrtError as error:
        connection.send(error)


def _listen(connection: Connection, asked: SimpleQueue[Source], stop: threading.Event) -> None:
    """Receive videos, and None for "stop"; end the process where the parent is gone, killed perhaps."""
    try:
        while True:
            source: Source | None = connection.recv()
            if source is None:
                stop.set()
            else:
                asked.put(source)
    except (EOFError, ConnectionError):
        os._exit(0)
