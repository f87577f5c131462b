"""The workers of a run on this machine: processes, or threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from queue import SimpleQueue
from typing import Any

from autrt.gpu import shares
from autrt.machine import memory_limit
from autrt.pipeline.networks import Networks
from autrt.run.job import Job, OnProgress, configure_process
from autrt.run.memory_budget import MemoryBudget
from autrt.run.split_video import Task, do_task
from autrt.run.worker import (
    PROCESS_BYTES,
    VIDEO_BYTES,
    VIDEOS_EACH,
    Worker,
    processes_for,
)
from autrt.run.worker_pool import VideoWorker
from autrt.types import Source
from autrt.video.probe import stated_pixels


class LocalPool:
    """A `WorkerPool` of this machine.

    Args:
        job: model, settings and output folder.
        networks: opened for this process, once for each device; the videos are dealt out among them.
        most: videos in flight at once, at least one for each device; by default as suits the cores.
    """

    def __init__(self, job: Job, networks: Sequence[Networks], most: int | None = None) -> None:
        self._job, self._networks, self._most = job, networks, most
        self._processes: list[Worker] = []
        self._idle: SimpleQueue[VideoWorker] = SimpleQueue()
        self.isolated = False

    def open(self, videos: int, stop: threading.Event) -> int:
        """See `WorkerPool.open`."""
        configure_process()
        devices = [networks.device for networks in self._networks]
        if self._job.settings.split_s is not None:
            videos = max(videos, VIDEOS_EACH * self._job.threads)  # one alone may have work for all
        places = processes_for(self._job, videos, self._most, devices)
        workers: Sequence[VideoWorker]
        each_bytes = VIDEO_BYTES
        if places:
            self.isolated = True
            each_bytes = PROCESS_BYTES
            if devices[0] != "cpu":
                each_bytes = shares.HOST_BYTES
                # They have shown that they can be opened; each process has its own.
                for networks in self._networks:
                    networks.close()
            threads = max(1, self._job.threads // len(places))
            workers = self._processes = [Worker(self._job, threads, place) for place in places]
        else:
            # The threads of one video keep two cores busy; more of them only wait for each other.
            n = max(self._most or self._job.threads // 2, len(self._networks))
            workers = [_InThisProcess(self._job, networks) for networks in islice(cycle(self._networks), n)]
        memory = MemoryBudget(
            memory_limit(),
            workers=len(workers),
            each_bytes=each_bytes,
            max_pixels=self._job.settings.max_pixels,
            pixels_of=stated_pixels,
        )
        for worker in workers:
            self._idle.put(_Frugal(worker, memory))
        return len(workers)

    def take(self) -> VideoWorker:
        """Wait for an idle worker."""
        return self._idle.get()

    def give_back(self, worker: VideoWorker) -> None:
        """Make a worker idle again."""
        self._idle.put(worker)

    def do_alone(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        """See `WorkerPool.do_alone`."""
        with closing(Worker(self._job, self._job.threads)) as worker:
            return worker.do(task, stop, on_progress)

    def close(self) -> None:
        """End the processes."""
        for worker in self._processes:
            worker.close()


@dataclass(frozen=True, slots=True)
class _Frugal:
    """A worker that begins a video once there is memory for it."""

    worker: VideoWorker
    memory: MemoryBudget

    def do(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        """See `VideoWorker.do`."""
        with self.memory.reserved(task if isinstance(task, Source) else task.source, stop):
            return self.worker.do(task, stop, on_progress)


@dataclass(frozen=True, slots=True)
class _InThisProcess:
    """A worker that is a thread of this process."""

    job: Job
    networks: Networks

    def do(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        """See `VideoWorker.do`."""
        return do_task(self.job, self.networks, task, stop, on_progress)
