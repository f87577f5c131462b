"""A process that does videos for another: threads share Python's lock, and a video may crash its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Final

from autrt.errors import AutrtError, VideoError
from autrt.machine import memory_limit
from autrt.pipeline.open_networks import open_networks
from autrt.pipeline.recognise import StoppedError
from autrt.run.job import Job, Outcome, Step, configure_process, do_video, unexpected
from autrt.types import Source

VIDEOS_EACH: Final = 4
"""A process must have as many videos to do: its start costs about a second of a core."""

LIGHT_BYTES: Final = 32 << 20
"""Networks up to this size compute so fast that Python's lock is what holds many cores back, and every process can
hold them. Larger ones keep all cores busy from one process."""

LIGHT_ENGINES: Final = ("openvino", "onnxruntime")
"""Those that are small in memory, too."""

PROCESS_BYTES: Final = 600 << 20
"""Memory that a process may need: 280 MB, and frames under way of up to 4K."""

_TELL_S: Final = 0.1
"""How often a process tells how far it is."""

_LOOK_S: Final = 0.2
"""How often a silent process is looked after."""


class CrashError(VideoError):
    """A video crashed the process that was doing it."""


def processes_for(job: Job, videos: int, most: int | None = None) -> int:
    """How many processes should share these videos; 0 if this one had better do them all.

    Args:
        job: what is done with them, and with how many cores.
        videos: how many there are.
        most: a bound by the user; by default the cores are one, as is memory.
    """
    size = sum(facts.size_bytes for member in job.model.members for facts in member.files.values())
    if job.settings.device != "cpu" or job.settings.engine not in LIGHT_ENGINES or size > LIGHT_BYTES:
        return 0
    n = int(min(most or job.threads, videos // VIDEOS_EACH, memory_limit() / PROCESS_BYTES))
    return n if n > 1 else 0


class Worker:
    """Does one video after another in a process of its own, which starts with the first of them.

    A crash costs the video that was being done; the next one gets a new process.

    Args:
        job: what every video is done with.
        threads: cores that the process may use.
    """

    def __init__(self, job: Job, threads: int) -> None:
        self._job = replace(job, threads=threads)
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def do(self, source: Source, stop: threading.Event, tell: Callable[[Step], object]) -> Outcome:
        """As `autrt.run.job.do_video`, in the process.

        Raises:
            CrashError: the process died; and all that `do_video` raises.
        """
        try:
            answer = self._ask(source, stop, tell)
        except (EOFError, ConnectionError):
            how = self._buried()
            raise CrashError(
                f"crashes the process that does it ({how}), more than once: repair or remove the file"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(
        self, source: Source, stop: threading.Event, tell: Callable[[Step], object]
    ) -> Outcome | Exception:
        connection = self._connection or self._start()
        connection.send(source)
        asked_to_stop = False
        while True:
            if stop.is_set() and not asked_to_stop:
                connection.send(None)
                asked_to_stop = True
            if connection.poll(_LOOK_S):
                answer: Step | Outcome | Exception = connection.recv()
                if not isinstance(answer, Step):
                    return answer
                tell(answer)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._job, theirs))
        resource_tracker.ensure_running()  # its start would undo the next line
        # The process inherits this: signals are sent to the whole group, and who asked it decides.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that its end is the process's end
        return self._connection

    def _buried(self) -> str:
        """How the process ended."""
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


class _Seldom:
    """Passes steps on, those of a tenth of a second as one: each costs both processes some work.

    The last of all may be kept: the outcome tells as much.
    """

    def __init__(self, tell: Callable[[Step], object]) -> None:
        self._tell = tell
        self._frames = 0
        self._last_s = 0.0

    def __call__(self, step: Step) -> None:
        self._frames += step.frames
        now_s = time.monotonic()
        if not step.frames or now_s - self._last_s >= _TELL_S:
            self._tell(step._replace(frames=self._frames))
            self._frames, self._last_s = 0, now_s


def _serve(job: Job, connection: Connection) -> None:
    """In the process: do what is asked until nobody asks any more."""
    asked: SimpleQueue[Source] = SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, asked, stop), daemon=True).start()
    try:
        with closing(open_networks(job.model, job.settings, job.threads)) as networks:
            configure_process()
            while True:
                source = asked.get()
                try:
                    connection.send(do_video(job, networks, source, stop, _Seldom(connection.send)))
                except (AutrtError, StoppedError) as error:
                    connection.send(error)
                except Exception as error:
                    connection.send(VideoError(unexpected(error)))
    except AutrtError as error:
        connection.send(error)


def _listen(connection: Connection, asked: SimpleQueue[Source], stop: threading.Event) -> None:
    """Take videos, and None for "stop"; whoever asks may also be gone, killed perhaps: then end at once."""
    try:
        while True:
            source: Source | None = connection.recv()
            if source is None:
                stop.set()
            else:
                asked.put(source)
    except (EOFError, ConnectionError):
        os._exit(0)
