"""The workers of a run: what does its videos, on this machine (`local_pool`) or on a cluster (`cluster.pool`)."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from autrt.run.job import OnProgress
from autrt.run.split_video import Task


class VideoWorker(Protocol):
    """Does one task after another."""

    def do(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        """Recognise a video and write its results file, or do another task about one; return what that gives.

        Args:
            task: a video, or what `split_video` asks for.
            stop: ends it early when set.
            on_progress: called at the start, and after every few finished frames.

        Raises:
            CrashError: the video crashed the process that was doing it; the worker goes on with the next one.
            DeviceError: its GPU failed.
            StoppedError: `stop` was set; and all that `do_video` raises.
        """
        ...


class WorkerPool(Protocol):
    """The workers of a run. `take` and `give_back` may be called by several threads."""

    isolated: bool
    """True if each worker is a process of its own: what breaks one breaks neither the others nor the run."""

    def open(self, videos: int, stop: threading.Event) -> int:
        """Prepare for a run; called once.

        Args:
            videos: how many it has.
            stop: ends it early when set.

        Returns:
            Number of videos that are going to be in flight at once, as far as that is known.
        """
        ...

    def take(self) -> VideoWorker:
        """Wait for an idle worker.

        Raises:
            StoppedError: the run was stopped meanwhile; a pool may return a worker all the same.
            AutrtError: there will be none any more.
        """
        ...

    def give_back(self, worker: VideoWorker) -> None:
        """Make a worker idle again."""
        ...

    def do_alone(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
        """Do a task that crashed others in a process that does nothing else; see `VideoWorker.do`."""
        ...

    def close(self) -> None:
        """End all workers; none is at work."""
        ...
