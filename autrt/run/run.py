"""A run over many videos: several at once, each recorded in the manifest, none able to disturb the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from itertools import cycle, islice
from queue import SimpleQueue
from typing import Final

from autrt.console import Reporter
from autrt.errors import AutrtError, DeviceError, DiskFullError, EngineError, VideoError
from autrt.machine import memory_limit
from autrt.pipeline.networks import Networks
from autrt.pipeline.recognise import StoppedError
from autrt.run.do_video import do_video
from autrt.run.durations import DurationSurvey
from autrt.run.exchange import Exchange
from autrt.run.finished_file import FinishedFile
from autrt.run.job import Job, OnProgress, Outcome, VideoProgress, configure_process
from autrt.run.manifest import Manifest
from autrt.run.memory_budget import MemoryBudget
from autrt.run.notes import internal_error
from autrt.run.shard import Shard
from autrt.run.signals import Signals, signal_name
from autrt.run.summary import RunSummary
from autrt.run.worker import (
    GPU_PROCESS_BYTES,
    PROCESS_BYTES,
    VIDEO_BYTES,
    CrashError,
    Worker,
    processes_for,
)
from autrt.storage.escape import escape
from autrt.types import Source
from autrt.video.probe import stated_pixels

VideoWorker = Callable[[Source, threading.Event, OnProgress], Outcome]
"""A function that does a video: `Worker.do`, or `do_video` with networks of this process."""

UnchangedCheck = Callable[[Source, threading.Event], FinishedFile | None]
"""A function that returns the description of a video's results, if it finds that they need not be computed."""

CRASHES_TOLERATED: Final = 2
"""A video that was in flight at this many crashes is tried alone, in a process of its own."""


class Run:
    """A run over videos, several at a time, until all have ended or something stops it.

    Args:
        job: model, settings and output folder.
        networks: opened for this process, once for each device; the videos are dealt out among them.
        reporter: shows the progress.
        shard: names the manifest.
        exchange: hands the videos to the run, and its results on.
    """

    def __init__(
        self,
        job: Job,
        networks: Sequence[Networks],
        reporter: Reporter,
        shard: Shard | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.job = job
        self.networks = networks
        self.reporter = reporter
        self.shard = shard
        self.exchange = exchange or Exchange()
        self.stop = threading.Event()
        """Ends the run cleanly when set."""
        self._outcomes: list[Outcome] = []
        self._unchanged: list[str] = []
        self._check: UnchangedCheck = lambda source, stop: None
        self._signal: int | None = None
        self._error: AutrtError | None = None
        self._survey: DurationSurvey | None = None
        self._idle: SimpleQueue[VideoWorker] = SimpleQueue()
        self._memory: MemoryBudget | None = None
        self._each_bytes = VIDEO_BYTES
        self._in_processes = False

    def run(
        self, todo: Sequence[Source], workers: int | None = None, check: UnchangedCheck | None = None
    ) -> RunSummary:
        """Do all videos; return when the last has ended, or soon after a signal or a full disk.

        Args:
            todo: the videos.
            workers: videos in flight at once, at least one for each device; by default as suits the cores.
            check: called before a video is done; where it returns a description, the video counts as skipped.

        Raises:
            DiskFullError, ResultsError: the manifest cannot be opened.
        """
        start_s = time.monotonic()
        self._check = check or self._check
        configure_process()
        with (
            ExitStack() as opened,
            self.exchange.open_manifest(self.job.out, self.shard) as manifest,
            Signals(self._on_signal),
        ):
            manifest.begin_run(len(todo))
            suspects = [s for s in todo if manifest.crashes(s.relative) >= CRASHES_TOLERATED]
            others = [s for s in todo if manifest.crashes(s.relative) < CRASHES_TOLERATED]
            idle = self._open_workers(len(others), workers, opened)
            self._memory = self._memory_budget(len(idle))
            # A video that crashed a run could crash the survey too, which would not set it aside.
            crashed = any(manifest.crashes(s.relative) for s in todo)
            if self.reporter.live and len(todo) > len(idle) and not crashed and not self.exchange.remote:
                self._survey = opened.enter_context(closing(self._open_survey(todo)))
            for worker in idle:
                self._idle.put(worker)
            with closing(self.exchange.begun([*others, *suspects], len(idle), self.stop)):
                self._do_all(others, manifest, len(idle), self._do_by_idle_worker)
                self._do_all(suspects, manifest, 1, self._do_alone)
            self._error = self._error or self.exchange.error
        return RunSummary(
            out=self.job.out,
            command=self.job.command,
            todo=len(todo) - len(self._unchanged),
            skipped=len(self._unchanged),
            outcomes=tuple(self._outcomes),
            seconds=time.monotonic() - start_s,
            signal=self._signal,
            error=self._error,
        )

    def _open_workers(self, videos: int, workers: int | None, opened: ExitStack) -> list[VideoWorker]:
        """Open worker processes, or return functions that work in this process with the open networks."""
        devices = [networks.device for networks in self.networks]
        places = processes_for(self.job, videos, workers, devices)
        if places:
            self._in_processes = True
            self._each_bytes = PROCESS_BYTES
            if devices[0] != "cpu":
                self._each_bytes = GPU_PROCESS_BYTES
                # They have shown that they can be opened; each process has its own.
                for networks in self.networks:
                    networks.close()
            threads = max(1, self.job.threads // len(places))
            return [opened.enter_context(closing(Worker(self.job, threads, place))).do for place in places]
        # The threads of one video keep two cores busy; more of them only wait for each other.
        n = max(workers or self.job.threads // 2, len(self.networks))
        return [partial(do_video, self.job, networks) for networks in islice(cycle(self.networks), n)]

    def _memory_budget(self, workers: int) -> MemoryBudget:
        return MemoryBudget(
            memory_limit(),
            workers=workers,
            each_bytes=self._each_bytes,
            max_pixels=self.job.settings.max_pixels,
            pixels_of=stated_pixels,
        )

    def _open_survey(self, todo: Sequence[Source]) -> DurationSurvey:
        def on_length(source: Source, length_s: float | None) -> None:
            self.reporter.expect(escape(source.relative), length_s)

        return DurationSurvey(todo, self.job.settings.image_rate, on_length)

    def _on_signal(self, number: int) -> None:
        self._signal = number
        self.stop.set()
        self.reporter.say(f"{signal_name(number)}: stopping cleanly (a second time: at once)")

    def _do_all(
        self, sources: Sequence[Source], manifest: Manifest, workers: int, do: Callable[[Source], Outcome]
    ) -> None:
        if not sources:
            return
        with ThreadPoolExecutor(max(1, min(workers, len(sources))), "video") as pool:
            running: list[Future[None]] = [pool.submit(self._do_one, s, manifest, do) for s in sources]
            wait(running)

    def _do_one(self, source: Source, manifest: Manifest, do: Callable[[Source], Outcome]) -> None:
        """Do one video and record its start and its end, whatever happens to it."""
        if self.stop.is_set():
            return
        try:
            with ExitStack() as staged:
                outcome = self._staged_outcome(source, staged, manifest, do)
            if outcome is not None:
                self.exchange.deliver(outcome, partial(self._record, manifest=manifest))
        except AutrtError as error:
            self._stop_for(error)

    def _staged_outcome(
        self, source: Source, staged: ExitStack, manifest: Manifest, do: Callable[[Source], Outcome]
    ) -> Outcome | None:
        """Do one video where it lies meanwhile; return None where it need not be done."""
        try:
            here = staged.enter_context(self.exchange.staged(source, self.stop))
        except StoppedError:
            return Outcome(relative=source.relative, status="stopped")
        except VideoError as error:
            return Outcome(relative=source.relative, status="failed", reason=str(error))
        except AutrtError:
            raise
        except Exception as error:
            return Outcome(relative=source.relative, status="failed", reason=internal_error(error))
        if self._is_unchanged(here, manifest):
            return None
        manifest.record(source.relative, "started")
        return self._outcome(here, do)

    def _is_unchanged(self, source: Source, manifest: Manifest) -> bool:
        """Return whether a video need not be done, and note why for the next run."""
        start_s = time.monotonic()
        try:
            finished = self._check(source, self.stop)
        except StoppedError:
            self._record(Outcome(relative=source.relative, status="stopped"), manifest)
            return True
        except VideoError:
            return False  # its reason is given when it is done
        if finished is None:
            return False
        manifest.record(source.relative, "found", run_digest=finished.run_digest, finished=finished)
        self._unchanged.append(source.relative)
        seconds = time.monotonic() - start_s
        self._report_end(Outcome(relative=source.relative, status="found", seconds=seconds), "skipped")
        return True

    def _outcome(self, source: Source, do: Callable[[Source], Outcome]) -> Outcome:
        start_s = time.monotonic()
        try:
            return do(source)
        except StoppedError:
            return Outcome(relative=source.relative, status="stopped")
        except (DiskFullError, EngineError) as error:
            self._stop_for(error)
            return Outcome(relative=source.relative, status="stopped", reason=str(error))
        except AutrtError as error:
            reason = str(error)
        except Exception as error:
            reason = internal_error(error)
        seconds = time.monotonic() - start_s
        return Outcome(relative=source.relative, status="failed", reason=reason, seconds=seconds)

    def _record(self, outcome: Outcome, manifest: Manifest) -> None:
        self._outcomes.append(outcome)
        manifest.record(
            outcome.relative,
            outcome.status,
            reason=outcome.reason,
            frames=outcome.frames,
            lost=outcome.lost,
            seconds=outcome.seconds,
            video_s=outcome.video_s,
            run_digest=outcome.run_digest,
            finished=outcome.finished,
        )
        self._report_end(outcome, outcome.status)

    def _report_end(self, outcome: Outcome, status: str) -> None:
        facts = {
            "frames": outcome.frames,
            "faces": outcome.faces,
            "tracks": outcome.tracks,
            "lost": outcome.lost,
            "video_seconds": round(outcome.video_s, 3) if outcome.frames else None,
            "seconds": round(outcome.seconds, 3),
            "reason": escape(outcome.reason),
        }
        self.reporter.ended(escape(outcome.relative), status, facts)

    def _stop_for(self, error: AutrtError) -> None:
        """Stop the run cleanly for an error that concerns every video."""
        self._error = self._error or error
        self.stop.set()

    def _do_by_idle_worker(self, source: Source) -> Outcome:
        worker = self._idle.get()
        try:
            with self._memory.reserved(source, self.stop) if self._memory else nullcontext():
                return worker(source, self.stop, partial(self._report, source))
        except (CrashError, DeviceError) as error:
            if self.stop.is_set():  # perhaps killed along with this run
                raise StoppedError from None
            if isinstance(error, DeviceError) and not self._in_processes:
                raise  # this process can do nothing more on the GPU
        finally:
            self._idle.put(worker)
        return self._do_alone(source)

    def _do_alone(self, source: Source) -> Outcome:
        with closing(Worker(self.job, self.job.threads)) as worker:
            return worker.do(source, self.stop, partial(self._report, source))

    def _report(self, source: Source, progress: VideoProgress) -> None:
        name = escape(source.relative)
        self.reporter.advance(progress.frames, name, progress.position_s, progress.length_s)
        if progress.frames and self._survey is not None:
            self._survey.begin()
