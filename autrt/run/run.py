"""A run over many videos: which to do, several at once, each recorded, none able to hurt the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from queue import SimpleQueue
from typing import Any

from autrt.console import Reporter
from autrt.errors import AutrtError, DiskFullError, EngineError, VideoError
from autrt.pipeline.networks import Networks
from autrt.pipeline.recognise import StoppedError
from autrt.results.names import results_path
from autrt.run.durations import Survey
from autrt.run.index import ResultsIndex
from autrt.run.job import Job, Outcome, Step, configure_process, do_video, unexpected
from autrt.run.manifest import Manifest
from autrt.run.resume import ResultState, result_state
from autrt.run.shard import Shard
from autrt.run.signals import Signals, signal_name
from autrt.run.worker import CrashError, Worker, processes_for
from autrt.storage.escape import escape
from autrt.types import Source

Place = Callable[[Source, threading.Event, Callable[[Step], object]], Outcome]
"""Does a video: `Worker.do`, or `do_video` with networks of this process."""

CRASHES_TOLERATED = 2
"""A video that was in flight at so many crashes is tried alone in a process of its own."""


@dataclass(slots=True)
class Summary:
    """How a run ended."""

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    seconds: float = 0.0
    signal: int | None = None
    fatal: AutrtError | None = None

    def count(self, *statuses: str) -> int:
        """Videos that ended so."""
        return sum(o.status in statuses for o in self.outcomes)

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        if self.signal is not None:
            return 128 + self.signal
        if self.fatal is not None:
            return self.fatal.exit_code
        return 3 if self.count("failed") else 0


@dataclass(frozen=True, slots=True)
class Split:
    """Which videos are to do, and why."""

    states: tuple[tuple[Source, ResultState], ...]
    overwrite: bool = False
    """Whether finished ones are done again."""

    @property
    def todo(self) -> list[Source]:
        """Those to do, in order."""
        return [source for source, state in self.states if self.overwrite or state != "finished"]

    @property
    def done(self) -> list[Source]:
        """Those left as they are."""
        return [] if self.overwrite else self.of("finished")

    def of(self, state: ResultState) -> list[Source]:
        """Those whose results are so."""
        return [source for source, found in self.states if found == state]


def split_finished(
    sources: Sequence[Source], job: Job, overwrite: bool, index: ResultsIndex | None = None
) -> Split:
    """Which videos are still to do, and which have their results already.

    Args:
        sources: the videos.
        job: what they are done with.
        overwrite: finished ones are to be done again.
        index: of the output folder, which learns what was read; by default a new one is.
    """
    index, numbers = index or ResultsIndex.read(job.out), job.numbers
    return Split(tuple((s, _result_state(s, job, numbers, index)) for s in sources), overwrite)


def _result_state(source: Source, job: Job, numbers: Mapping[str, Any], index: ResultsIndex) -> ResultState:
    target = results_path(job.out, source.relative)
    try:
        return result_state(target, source, job.model.digest, numbers, index)
    except VideoError:
        return "source-changed"  # it will fail, with its reason, when its turn comes


@dataclass(slots=True)
class Run:
    """Videos in flight, `workers` at a time, and what stops them.

    Args:
        job: what every video is done with.
        networks: opened for this process, once for each device; the videos are dealt out among them.
        reporter: told as things happen.
        shard: names the manifest.
    """

    job: Job
    networks: Sequence[Networks]
    reporter: Reporter
    shard: Shard | None = None
    summary: Summary = field(default_factory=Summary)
    stop: threading.Event = field(default_factory=threading.Event)
    _survey: Survey | None = None
    _free: SimpleQueue[Place] = field(default_factory=SimpleQueue[Place])
    """One for each video in flight."""

    def run(self, todo: Sequence[Source], workers: int | None = None) -> Summary:
        """Do all videos; returns when the last has ended, or soon after a signal or a full disk.

        Args:
            todo: the videos.
            workers: how many are in flight at once, at least one for each device; by default as suits the cores.
        """
        start_s = time.monotonic()
        configure_process()
        with (
            ExitStack() as processes,
            Manifest(self.job.out, self.shard) as manifest,
            Signals(self._on_signal),
        ):
            suspects = [s for s in todo if manifest.crashes(s.relative) >= CRASHES_TOLERATED]
            others = [s for s in todo if manifest.crashes(s.relative) < CRASHES_TOLERATED]
            places = self._places(len(others), workers, processes)
            # What crashed a run before might do so in a survey too, where nobody would set it aside.
            crashed = any(manifest.crashes(s.relative) for s in todo)
            if self.reporter.live and len(todo) > len(places) and not crashed:
                self._survey = processes.enter_context(closing(self._surveyed(todo)))
            for place in places:
                self._free.put(place)
            self._all(others, manifest, len(places), self._in_a_place)
            self._all(suspects, manifest, 1, self._alone)
        self.summary.seconds = time.monotonic() - start_s
        return self.summary

    def _places(self, videos: int, workers: int | None, processes: ExitStack) -> list[Place]:
        """Where videos are done: in processes of their own, or here among the open networks."""
        n = processes_for(self.job, videos, workers)
        if n:
            threads = max(1, self.job.threads // n)
            return [processes.enter_context(closing(Worker(self.job, threads))).do for _ in range(n)]
        # The threads of one video keep two cores busy, and more get in each other's way.
        n = max(workers or self.job.threads // 2, len(self.networks))
        return [partial(do_video, self.job, networks) for networks in islice(cycle(self.networks), n)]

    def _surveyed(self, todo: Sequence[Source]) -> Survey:
        def tell(source: Source, length_s: float | None) -> None:
            self.reporter.expect(escape(source.relative), length_s)

        return Survey(todo, self.job.settings.image_rate, tell)

    def _on_signal(self, number: int) -> None:
        self.summary.signal = number
        self.stop.set()
        self.reporter.say(f"{signal_name(number)}: stopping cleanly (a second time: at once)")

    def _all(
        self, sources: Sequence[Source], manifest: Manifest, workers: int, do: Callable[[Source], Outcome]
    ) -> None:
        if not sources:
            return
        with ThreadPoolExecutor(max(1, min(workers, len(sources))), "video") as pool:
            running: list[Future[None]] = [pool.submit(self._one, source, manifest, do) for source in sources]
            wait(running)

    def _one(self, source: Source, manifest: Manifest, do: Callable[[Source], Outcome]) -> None:
        """One video from `started` to its ending, whatever happens to it."""
        if self.stop.is_set():
            return
        try:
            manifest.record(source.relative, "started")
            outcome = self._caught(source, do)
            if outcome is not None:
                self._end(outcome, manifest)
        except AutrtError as error:
            self._give_up(error)

    def _caught(self, source: Source, do: Callable[[Source], Outcome]) -> Outcome | None:
        start_s = time.monotonic()
        try:
            return do(source)
        except StoppedError:
            return Outcome(source.relative, "stopped")
        except (DiskFullError, EngineError) as error:
            self._give_up(error)
            return Outcome(source.relative, "stopped", str(error))
        except AutrtError as error:
            reason = str(error)
        except Exception as error:
            reason = unexpected(error)
        return Outcome(source.relative, "failed", reason, seconds=time.monotonic() - start_s)

    def _end(self, outcome: Outcome, manifest: Manifest) -> None:
        self.summary.outcomes.append(outcome)
        manifest.record(
            outcome.relative,
            outcome.status,
            reason=outcome.reason,
            frames=outcome.frames,
            lost=outcome.lost,
            seconds=outcome.seconds,
            run_digest=outcome.run_digest,
            finished=outcome.finished,
        )
        facts = {
            "frames": outcome.frames,
            "faces": outcome.faces,
            "tracks": outcome.tracks,
            "lost": outcome.lost,
            "video_seconds": round(outcome.video_s, 3) if outcome.frames else None,
        }
        facts |= {"seconds": round(outcome.seconds, 3), "reason": escape(outcome.reason)}
        self.reporter.ended(escape(outcome.relative), outcome.status, facts)

    def _give_up(self, error: AutrtError) -> None:
        """Something that concerns every video: stop cleanly."""
        self.summary.fatal = self.summary.fatal or error
        self.stop.set()

    def _in_a_place(self, source: Source) -> Outcome:
        place = self._free.get()
        try:
            return place(source, self.stop, partial(self._tell, source))
        except CrashError:
            if self.stop.is_set():  # perhaps killed along with this run
                raise StoppedError from None
        finally:
            self._free.put(place)
        return self._alone(source)

    def _alone(self, source: Source) -> Outcome:
        with closing(Worker(self.job, self.job.threads)) as worker:
            return worker.do(source, self.stop, partial(self._tell, source))

    def _tell(self, source: Source, step: Step) -> None:
        self.reporter.advance(step.frames, escape(source.relative), step.position_s, step.length_s)
        if step.frames and self._survey is not None:
            self._survey.begin()
