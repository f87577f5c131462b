"""Detection of the faces in several videos, as in `autrt infer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autrt.console import Reporter
from autrt.results.names import results_path
from autrt.run.options import InferOptions
from autrt.run.plan import InferPlan
from autrt.storage.escape import escape
from autrt.types import Source
from autrt_train.stop_request import StopRequest


def find_faces(
    sources: Sequence[Source],
    options: InferOptions,
    reporter: Reporter,
    halt: StopRequest,
    log: Callable[[str], object],
) -> list[Source]:
    """Recognise the videos that have no results yet.

    Args:
        sources: videos and pictures.
        options: model, engine and so on; `options.out` is the folder of the results.
        reporter: shows the progress.
        halt: asked to stop by signals.
        log: receives a line at the start, and one for each video that failed.

    Returns:
        The videos that have results.

    Raises:
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: an error that concerns all videos.
    """
    plan = InferPlan(options, sources)
    if plan.todo:
        log(f"looking for faces in {len(plan.todo)} of {len(sources)} videos")
        summary = plan.run(reporter, replace_others=True)
        if summary.signal is not None:
            halt.ask(summary.signal)
        halt.check()
        if summary.error is not None:
            raise summary.error
        for relative, reason in summary.failed.items():
            log(f"left out: {escape(relative)}: {escape(reason)}")
    return [source for source in sources if results_path(plan.job.out, source.relative).exists()]
