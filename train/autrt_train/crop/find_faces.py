"""Finding the faces of some videos as `autrt infer` does."""

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
from autrt_train.stop_request import StopRequest


def find_faces(
    sources: Sequence[Source], job: Job, reporter: Reporter, halt: StopRequest, say: Callable[[str], object]
) -> list[Source]:
    """Write the results of the videos that have none yet.

    Args:
        sources: videos and pictures.
        job: what they are done with; `job.out` is the folder of the results.
        reporter: told as things happen.
        halt: asked to stop by signals.
        say: told that it begins, and of videos that failed.

    Returns:
        The videos that have results.

    Raises:
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: of no single video alone.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    sweep(job.out)
    todo = split_finished(sources, job, overwrite=False, index=ResultsIndex.read(job.out)).todo
    if todo:
        say(f"looking for faces in {len(todo)} of {len(sources)} videos")
        fetch(DETECTOR_FILE, say=say)
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
                say(f"left out: {escape(outcome.relative)}: {escape(outcome.reason)}")
    return [source for source in sources if results_path(job.out, source.relative).exists()]
