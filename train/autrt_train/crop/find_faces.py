"""Detection of the faces in several videos, as in `autrt infer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from autrt.console import Reporter
from autrt.download.weights import fetch
from autrt.pipeline.open_networks import DETECTOR_FILE, open_networks
from autrt.results.names import results_path
from autrt.run.index import ResultsIndex
from autrt.run.job import Job
from autrt.run.run import Run, split_finished
from autrt.storage.atomic_file import sweep
from autrt.storage.escape import escape
from autrt.types import Source
from autrt_train.halt import Halt


def find_faces(
    sources: Sequence[Source], job: Job, reporter: Reporter, halt: Halt, log: Callable[[str], object]
) -> list[Source]:
    """Recognise the videos that have no results yet.

    Args:
        sources: videos and pictures.
        job: model, settings and output; `job.out` is the folder of the results.
        reporter: shows progress.
        halt: stop request, set by signals.
        log: receives lines about the start and about videos that failed.

    Returns:
        The videos that have results.

    Raises:
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: an error that concerns all videos.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    sweep(job.out)
    todo = split_finished(sources, job, overwrite=False, index=ResultsIndex.read(job.out)).todo
    if todo:
        log(f"looking for faces in {len(todo)} of {len(sources)} videos")
        fetch(DETECTOR_FILE, say=log)
        with closing(open_networks(job.model, job.settings, job.threads)) as networks:
            reporter.begin(len(todo))
            summary = Run(job, [networks], reporter).run(todo)
        if summary.signal is not None:
            halt.ask(summary.signal)
        halt.check()
        if summary.fatal is not None:
            raise summary.fatal
        for outcome in summary.outcomes:
            if outcome.status == "failed":
                log(f"left out: {escape(outcome.relative)}: {escape(outcome.reason)}")
    return [source for source in sources if results_path(job.out, source.relative).exists()]
