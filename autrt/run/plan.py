"""The plan of a run: its videos, what is to be done with each, and the run itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from autrt.check import require
from autrt.console import Reporter, SilentReporter
from autrt.download.fetch import fetch
from autrt.engine.open import faster_by
from autrt.errors import AutrtError, UsageError
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import DETECTOR_FILE, open_networks
from autrt.pipeline.open_source import open_source
from autrt.results.names import results_path
from autrt.run.estimated_cost import longest_first
from autrt.run.finished_file import FinishedFile
from autrt.run.folder_lock import Sign, lock_folder
from autrt.run.job import Job
from autrt.run.local_pool import LocalPool
from autrt.run.options import InferOptions, resolve
from autrt.run.place import open_place
from autrt.run.result_state import ResultState, unchanged
from autrt.run.results_index import ResultsIndex
from autrt.run.resumption import Resumption
from autrt.run.run import Run
from autrt.run.run_json import RunJson
from autrt.run.summary import RunSummary
from autrt.run.work_list import WorkList, drop_repeated, renewed, work_list
from autrt.run.worker_pool import WorkerPool
from autrt.storage.atomic_file import sweep
from autrt.storage.escape import escape
from autrt.storage.presence import Presence
from autrt.storage.remote_url import Location
from autrt.types import Source, VideoInfo
from autrt.video.crops import crop_sources


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVideo:
    """One video of a plan."""

    source: Source
    state: ResultState
    """State of its results in the output folder."""
    todo: bool
    """True if the run will process it, or compare its bytes first."""
    target: Location
    """Its results file."""
    info: VideoInfo | None
    """Facts about the video; None where it cannot be read, or lies in object storage."""
    error: str
    """Reason that it cannot be read; empty where it can."""
    detect_every: int | None
    """Frames from one detection frame to the next, at the video's average rate."""


class InferPlan:
    """A run that has been prepared, but has touched nothing yet; made by `autrt.plan`.

    Args:
        options: as the user gave them.
        sources: the videos; by default those that the inputs name.

    Raises:
        UsageError: an option, an input, the model or the output folder is wrong.
    """

    def __init__(self, options: InferOptions, sources: Sequence[Source] | None = None) -> None:
        self.options = options
        self._place = open_place(options)
        before = RunJson.read(self._place.out)
        self.job, self._devices = resolve(replace(options, out=self._place.out), before)
        require("decode")
        sources = self._place.sources(options) if sources is None else sources
        found, self._repeated = drop_repeated(crop_sources(sources) if options.aligned else sources)
        shard = None if options.plan else options.shard  # a plan's videos are those of the shard already
        self._index = ResultsIndex.read(self._place.out, self._place.files)
        self.work: WorkList = work_list(
            [source for source in found if shard is None or shard.holds(source.relative)],
            self.job,
            self._index,
            overwrite=options.overwrite,
            trust_fingerprint=options.trust_fingerprint,
        )
        self._touched = {source.relative for source in self.work.touched}
        self._resumption = _resumption(self.job, self.work, self._place.name, options, before)

    @property
    def todo(self) -> list[Source]:
        """Videos that the run will process, or whose bytes it will compare first."""
        return self.work.todo

    @property
    def done(self) -> list[Source]:
        """Videos that are finished and left alone."""
        return self.work.done

    @property
    def refusal(self) -> str | None:
        """Reason that `run` refuses to begin, with the ways on; None where it does not refuse."""
        return self._resumption.refusal()

    @property
    def notes(self) -> list[str]:
        """Lines about inputs that are the same, and about videos that are computed again."""
        return [*self._repeated, *self._resumption.notes()]

    def videos(self) -> Iterator[PlannedVideo]:
        """Yield each video with its facts; this opens one after the other, but none in object storage."""
        for source, state in self.work.states:
            info, error = None, ""
            try:
                if self._place.is_here(source):
                    with closing(open_source(source, self.job.settings)) as decoder:
                        info = decoder.info
            except AutrtError as problem:
                error = str(problem)
            yield PlannedVideo(
                source=source,
                state=state,
                todo=self.work.overwrite or state != "finished",
                target=self._place.target(source),
                info=info,
                error=error,
                detect_every=None
                if info is None
                else self.job.settings.detection_interval.frames_at(info.rate),
            )

    def run(self, reporter: Reporter | None = None, *, replace_others: bool = False) -> RunSummary:
        """Process the videos that must be done.

        Args:
            reporter: shows the progress; the caller closes it. By default nothing is shown.
            replace_others: compute results of other settings again instead of refusing; for folders that a program
                keeps for itself.

        Returns:
            The summary; its `error` is set where a full disk or a failed engine stopped the run.

        Raises:
            UsageError: finished videos would be computed again unasked, another run is at work, or nothing that was
                named exists.
            EngineError, DiskFullError, ResultsError: the run could not begin.
        """
        if not replace_others and (refusal := self.refusal):
            raise UsageError(refusal)
        reporter = reporter or SilentReporter()
        options = self.options
        with ExitStack() as opened:
            opened.enter_context(closing(self._place))
            for note in self._notes_of_run():
                reporter.say(note)
            make_pool = self._open_workers(opened, reporter) if self.todo else None
            self.work.require_any()
            locked = self._lock(
                opened, reporter
            )  # only now: a mistake above must not have touched the folder
            self.work = renewed(self.work, self.job, self._index)
            self._place.deliver_found(self.work, self._index)
            self._index.save(self.job.out, options.shard, self._place.exchange.open_manifest)
            todo = longest_first(self.todo) if options.ray else self.todo
            reporter.begin(len(todo), skipped=len(self.done))
            summary = RunSummary(out=options.out, command=options.command)
            if todo and make_pool and locked:
                sign = locked.path if isinstance(locked, Presence) else self.job.out
                run = Run(self.job, make_pool(sign), reporter, options.shard, self._place.exchange)
                summary = replace(run.run(todo, self._unchanged), out=options.out)
                with suppress(OSError):
                    sweep(self.job.out)  # what worker processes left that died meanwhile
        skipped = len(self.done) + summary.skipped
        return replace(summary, skipped=skipped, overwrite=options.overwrite, au_grades=self._grades())

    def _notes_of_run(self) -> Iterator[str]:
        yield from self.notes
        if self.todo and self.options.precision == "auto" and self.options.quality == "fast":
            advice = faster_by(self.job.settings.engine)
            yield from [advice] if advice else []

    def _unchanged(self, source: Source, stop: threading.Event) -> FinishedFile | None:
        """Return the description of a touched video's results where its bytes are those of before."""
        if source.relative not in self._touched:
            return None
        return unchanged(results_path(self.job.out, source.relative), source, self._index, stop)

    def _grades(self) -> dict[str, str]:
        model = self.job.model
        return dict(zip(model.au_names, model.au_grades, strict=True))

    def _open_workers(self, opened: ExitStack, reporter: Reporter) -> Callable[[Path], WorkerPool]:
        """Return a function that makes the pool of workers for the file of this run in the locked folder."""
        options = self.options
        if options.ray is not None:
            if self._place.exchange.remote or self.job.out != options.out:
                raise UsageError(
                    "ray: expected videos and results in folders that every node sees, found object storage: mount "
                    "it, or give each machine a shard (--shard) instead"
                )
            from autrt.run.cluster.open_cluster import open_cluster

            return open_cluster(
                options.ray,
                self.job,
                self.todo,
                opened,
                most=options.workers,
                offline=options.offline,
                say=reporter.say,
            )
        networks = self._open_networks(opened, reporter)
        return lambda run: LocalPool(self.job, networks, options.workers)

    def _open_networks(self, opened: ExitStack, reporter: Reporter) -> list[Networks]:
        """Open the networks once for each device."""
        job = self.job
        if job.settings.aligned is None:
            fetch(DETECTOR_FILE, offline=self.options.offline, report=reporter.say)
        return [
            opened.enter_context(
                closing(open_networks(job.model, replace(job.settings, device=device), job.threads))
            )
            for device in self._devices
        ]

    def _lock(self, opened: ExitStack, reporter: Reporter) -> Sign | None:
        """Make the output folder this run's: `run.json` agrees, and what crashed runs left is deleted."""
        found = self._resumption
        if self.todo or found.found is None:
            locked = lock_folder(
                self._place.door,
                found.settings,
                sharded=found.sharded,
                videos=[source.relative for source in self.todo],
                found=found.found,
                say=reporter.say,
            )
            opened.enter_context(closing(locked))
            sweep(found.out)
            return locked
        return None

    def __repr__(self) -> str:
        return f"<InferPlan {str(self.options.out)!r}: {len(self.todo)} to do, {len(self.done)} done before>"


def _resumption(
    job: Job, work: WorkList, name: str, options: InferOptions, before: RunJson | None
) -> Resumption:
    if job.out.exists() and not job.out.is_dir():
        raise UsageError(f"output folder {escape(str(job.out))}: expected a folder, found a file")
    named = (options.plan,) if options.plan else options.inputs
    inputs = sorted(str(path.absolute() if isinstance(path, Path) else path) for path in named)
    settings = {"model": job.model.digest, **job.numbers}
    about = {"model_name": job.model.name, "versions": job.versions, "command": job.command}
    return Resumption(
        out=job.out,
        name=name,
        settings=RunJson(settings, about, inputs if work.overwrite else ()),
        found=before,
        work=work,
        inputs=inputs,
        sharded=options.shard is not None,
    )
