"""A run over many videos: several at once, each recorded in the manifest, none able to disturb the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, Final

from autrt.console import Reporter
from autrt.console.progress import VideoProgress
from autrt.errors import AutrtError, DeviceError, DiskFullError, EngineError, VideoError
from autrt.pipeline.recognise import StoppedError
from autrt.run.durations import DurationSurvey
from autrt.run.exchange import Exchange
from autrt.run.finished_file import FinishedFile
from autrt.run.job import Job, OnProgress, Outcome
from autrt.run.manifest import Manifest
from autrt.run.notes import internal_error
from autrt.run.shard import Shard
from autrt.run.signals import Signals, signal_name
from autrt.run.split_video import Task, do_in_sections
from autrt.run.summary import RunSummary
from autrt.run.worker import CrashError
from autrt.run.worker_pool import VideoWorker, WorkerPool
from autrt.storage.escape import escape
from autrt.types import Source

DoVideo = Callable[[Source, threading.Event, OnProgress], Outcome]
"""A function such as `VideoWorker.do`."""

UnchangedCheck = Callable[[Source, threading.Event], FinishedFile | None]
"""A function that returns the description of a video's results, if it finds that they need not be computed."""

CRASHES_TOLERATED: Final = 2
"""A video that was in flight at this many crashes is tried alone, in a process of its own."""

MOST_AT_ONCE: Final = 10_000
"""Most videos in flight; each has a thread."""


class Run:
    """A run over videos, several at a time, until all have ended or something stops it.

    Args:
        job: model, settings and output folder.
        pool: what does the videos; opened and closed by the run.
        reporter: shows the progress.
        shard: names the manifest.
        exchange: hands the videos to the run, and its results on.
    """

    def __init__(
        self,
        job: Job,
        pool: WorkerPool,
        reporter: Reporter,
        shard: Shard | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.job = job
        self.pool = pool
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

    def run(self, todo: Sequence[Source], check: UnchangedCheck | None = None) -> RunSummary:
        """Do all videos; return when the last has ended, or soon after a signal or a full disk.

        Args:
            todo: the videos.
            check: called before a video is done; where it returns a description, the video counts as skipped.

        Raises:
            DiskFullError, ResultsError: the manifest cannot be opened.
        """
        start_s = time.monotonic()
        self._check = check or self._check
        with (
            ExitStack() as opened,
            self.exchange.open_manifest(self.job.out, self.shard) as manifest,
            Signals(self._on_signal),
            closing(self.pool),
        ):
            manifest.begin_run(len(todo))
            suspects = [s for s in todo if manifest.crashes(s.relative) >= CRASHES_TOLERATED]
            others = [s for s in todo if manifest.crashes(s.relative) < CRASHES_TOLERATED]
            at_once = self.pool.open(len(others), self.stop)
            # A video that crashed a run could crash the survey too, which would not set it aside.
            crashed = any(manifest.crashes(s.relative) for s in todo)
            if self.reporter.live and len(todo) > at_once and not crashed and not self.exchange.remote:
                self._survey = opened.enter_context(closing(self._open_survey(todo)))
            with closing(self.exchange.begun([*others, *suspects], at_once, self.stop)):
                if self.job.settings.split_s is None:
                    self._do_side_by_side(others, manifest)
                else:
                    self._do_in_sections(others, manifest, at_once)
                with ThreadPoolExecutor(1, "video") as thread:
                    for source in suspects:
                        thread.submit(self._do_one, source, manifest, self.pool.do_alone)
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

    def _open_survey(self, todo: Sequence[Source]) -> DurationSurvey:
        def on_length(source: Source, length_s: float | None) -> None:
            self.reporter.expect(escape(source.relative), length_s)

        return DurationSurvey(todo, self.job.settings.image_rate, on_length)

    def _on_signal(self, number: int) -> None:
        self._signal = number
        self.stop.set()
        self.reporter.say(f"{signal_name(number)}: stopping cleanly (a second time: at once)")

    def _do_side_by_side(self, sources: Sequence[Source], manifest: Manifest) -> None:
        """Give each video to the next worker that is idle, until the run is stopped."""
        with ThreadPoolExecutor(MOST_AT_ONCE, "video") as threads:
            for source in sources:
                try:
                    worker = self.pool.take()
                except AutrtError as error:
                    self._stop_for(error)
                    return
                except StoppedError:
                    return
                if self.stop.is_set():
                    return
                threads.submit(self._do_by, worker, source, manifest)

    def _do_by(self, worker: VideoWorker, source: Source, manifest: Manifest) -> None:
        """Have a worker do a video."""
        with ExitStack() as busy:
            busy.callback(self.pool.give_back, worker)
            self._do_one(source, manifest, partial(self._by, worker, busy.close))

    def _by(
        self,
        worker: VideoWorker,
        release: Callable[[], object],
        task: Task,
        stop: threading.Event,
        on_progress: OnProgress,
    ) -> Any:
        """Have a worker do a task; release it and do the task once more, alone, where that crashes it."""
        try:
            if stop.is_set():
                raise StoppedError
            return worker.do(task, stop, on_progress)
        except (CrashError, DeviceError) as error:
            if self.stop.is_set():  # perhaps killed along with this run
                raise StoppedError from None
            if isinstance(error, DeviceError) and not self.pool.isolated:
                raise  # this process can do nothing more on the GPU
        release()
        return self.pool.do_alone(task, stop, on_progress)

    def _do_in_sections(self, sources: Sequence[Source], manifest: Manifest, at_once: int) -> None:
        """Do videos whose sections are dealt to whichever workers are idle."""

        def ask(task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
            with ExitStack() as busy:
                worker = self.pool.take()
                busy.callback(self.pool.give_back, worker)
                return self._by(worker, busy.close, task, stop, on_progress)

        def do(source: Source, stop: threading.Event, on_progress: OnProgress) -> Outcome:
            return do_in_sections(self.job, source, ask, stop, on_progress, at_once)

        with ThreadPoolExecutor(at_once, "video") as threads:
            for source in sources:
                threads.submit(self._do_one, source, manifest, do)

    def _do_one(self, source: Source, manifest: Manifest, do: DoVideo) -> None:
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
        self, source: Source, staged: ExitStack, manifest: Manifest, do: DoVideo
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

    def _outcome(self, source: Source, do: DoVideo) -> Outcome:
        start_s = time.monotonic()
        try:
            return do(source, self.stop, partial(self._report, source))
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

    def _report(self, source: Source, progress: VideoProgress) -> None:
        self.reporter.advance(progress, escape(source.relative))
        if progress.frames and self._survey is not None:
            self._survey.begin()
