"""One place on a node: a process that does one video after another, and is replaced when it dies."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from autrt.console.progress import VideoProgress
from autrt.errors import DeviceError, VideoError
from autrt.results.names import results_path
from autrt.run.cluster.connection import living
from autrt.run.cluster.node import Answer, NodeProcess, Terms
from autrt.run.cluster.places import Place
from autrt.run.job import OnProgress, Outcome
from autrt.run.memory_budget import MemoryBudget
from autrt.run.notes import internal_error
from autrt.run.worker import CrashError
from autrt.storage.atomic_file import permit
from autrt.types import Source


class LostError(Exception):
    """The node of a process is lost, or cannot be reached; no video is to blame."""


class Slot:
    """A place for a process on a node. One thread at a time calls `do`.

    Args:
        place: the node, and what the process takes of it.
        terms: model, settings and output folder.
        run: file of the run in the output folder; the permits to write are given in its name.
        memory: of the node.
        report_s: time between a process's reports of progress.
    """

    def __init__(self, place: Place, terms: Terms, run: Path, memory: MemoryBudget, report_s: float) -> None:
        self.place, self.starts = place, 0
        self._terms, self._run, self._memory, self._report_s = terms, run, memory, report_s
        self._actor: Any = None

    @property
    def works(self) -> bool:
        """False where the process was lost, or never started."""
        return self._actor is not None

    def start(self) -> Any:
        """Ask for the process, and return a Ray reference to what `NodeProcess.open` will return."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        self.starts += 1
        actor = ray.remote(NodeProcess).options(
            num_cpus=self.place.cores,
            num_gpus=self.place.gpus,
            max_restarts=0,
            max_concurrency=3,  # a video, `stop`, and one to spare
            scheduling_strategy=On(self.place.node.id, soft=False),
        )
        self._actor = actor.remote(self._terms, self._run, self.place.cores, self._report_s)
        return self._actor.open.remote()

    def do(self, source: Source, stop: threading.Event, on_progress: OnProgress) -> Outcome:
        """See `VideoWorker.do`.

        Raises:
            LostError: the node was lost, or the connection to the process; what it may still do is of no effect.
            CrashError: the process died, but not its node.
        """
        source = replace(source, path=source.path.absolute())
        with self._memory.reserved(source, stop):
            allowed = permit(results_path(self._terms.job.out, source.relative), self._run)
            try:
                answer = self._follow(source, allowed, on_progress)
            finally:
                allowed.unlink(missing_ok=True)  # it is the results file now, or must never become one
        if isinstance(answer, DeviceError):
            self.end()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _follow(self, source: Source, allowed: Path, on_progress: OnProgress) -> Outcome | Exception:
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            for reference in self._actor.do.options(num_returns="streaming").remote(source, allowed):
                answer: Answer = ray.get(reference)
                if not isinstance(answer, VideoProgress):
                    return answer
                on_progress(answer)
        except RayTaskError as error:
            return VideoError(internal_error(error))
        except RayError as error:
            raise self._ending(error) from None
        raise LostError("it ended without an answer")

    def _ending(self, error: Exception) -> LostError | CrashError:
        """Return what a failure of the process means, and end what is left of it."""
        from ray.exceptions import ActorDiedError

        self.end()
        host = self.place.node.host
        if isinstance(error, ActorDiedError) and not error.preempted and self.place.node.id in living():
            memory = " (Ray ended it, as the machine's memory was full)" if "OOM" in str(error) else ""
            return CrashError(
                f"crashes the process that does it, more than once, last on {host}{memory}: repair or remove the "
                "file"
            )
        return LostError(f"{host} was lost")

    def ask_to_stop(self) -> None:
        """Have the process drop its video."""
        if (actor := self._actor) is not None:
            actor.stop.remote()

    def end(self) -> None:
        """End the process at once."""
        import ray

        actor, self._actor = self._actor, None
        if actor is not None:
            with suppress(Exception):  # it is gone already
                ray.kill(actor)
