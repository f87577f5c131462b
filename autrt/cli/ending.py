"""The last lines of a run: what is done, what is not, and how to go on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Final

import click

from autrt.console import Mode, make_reporter
from autrt.console.formatting import duration, number
from autrt.grades import grade_line
from autrt.run.command_text import resume_command
from autrt.run.job import Outcome
from autrt.run.plan import InferPlan
from autrt.run.signals import signal_name
from autrt.run.summary import RunSummary, end_facts
from autrt.storage.escape import escape

_MANY: Final = 8
"""Videos from which on slow ones stand out from the others."""
_NAMED: Final = 3
"""Slow videos that are named."""

_LISTED: Final = 100
"""Videos that are listed with their reasons; of more, the manifest has the rest."""


def run_plan(plan: InferPlan, progress: Mode) -> RunSummary:
    """Run a plan and show its progress on the screen.

    Args:
        plan: the run.
        progress: auto, plain, json or none.
    """
    options = plan.options
    with closing(make_reporter(progress)) as reporter:
        reporter.conclude(end_facts(options.out, options.command, exit_code=1))  # where an error ends the run
        summary = plan.run(reporter)
        reporter.conclude(summary.facts())
    return summary


def show(summary: RunSummary, *, quiet: bool) -> None:
    """Print the AUs' grades, the counts, the videos with a note, and how to go on.

    Args:
        summary: of the run.
        quiet: print nothing.
    """
    if not quiet:
        click.echo("\n".join(_lines(summary)), err=True)


def finish(summary: RunSummary, *, quiet: bool) -> None:
    """Print the last lines and end the command with the run's exit code.

    Args:
        summary: of the run.
        quiet: print nothing.

    Raises:
        AutrtError: what stopped the run, if it was neither a signal nor a single video.
        click.exceptions.Exit: the exit code is not 0.
    """
    show(summary, quiet=quiet)
    if summary.error is not None and summary.signal is None:
        raise summary.error
    if summary.exit_code:
        raise click.exceptions.Exit(summary.exit_code)


def _lines(summary: RunSummary) -> list[str]:
    grades = summary.au_grades
    graded = grade_line(tuple(grades), tuple(grades.values())) if summary.outcomes else None
    lines = [f"AUs: {graded} (docs/models.md)"] if graded else []
    lines += [_counts(summary), *_listed(summary.outcomes), *_without_baseline(summary.outcomes)]
    lines += _slowest(summary.outcomes)
    if summary.signal is not None or summary.error is not None:
        lines += _stopped(summary)
    elif summary.count("failed"):
        lines.append("once they are mended, the same command does those that failed, and nothing twice")
    return lines


def _counts(summary: RunSummary) -> str:
    parts = [f"{summary.count(s)} {s}" for s in ("ok", "partial", "failed") if summary.count(s)]
    parts += [f"{summary.skipped} done before"] if summary.skipped else []
    frames, video_s = summary.frames, summary.video_s
    length = f" ({duration(video_s)} of video)" if video_s else ""
    counts = f"{', '.join(parts) or 'nothing done'}; {frames} frames{length} in {summary.seconds:.1f} s"
    if not frames or not summary.seconds:
        return counts
    rate_x = f", {number(video_s / summary.seconds)} × real time" if video_s else ""
    return f"{counts}, {frames / summary.seconds:.0f} frames/s{rate_x}"


def _listed(outcomes: Iterable[Outcome]) -> list[str]:
    """Return lines about the videos that failed, lost something or have a note, in this order."""
    order = ("failed", "partial", "ok")
    noted = [o for o in outcomes if o.status in order and (o.reason or o.status != "ok")]
    noted.sort(key=lambda o: (order.index(o.status), o.relative))
    lines = [f"  {o.status} {escape(o.relative)}: {escape(o.reason)}" for o in noted[:_LISTED]]
    more = len(noted) - len(lines)
    return [*lines, f"  and {more} more: see the manifest"] if more else lines


def _slowest(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a line that names the slowest videos, where a run has several that took far longer than the others."""
    rates = sorted((o.video_s / o.seconds, o.relative) for o in outcomes if o.seconds and o.video_s)
    if len(rates) < _MANY:
        return []
    usual = rates[len(rates) // 2][0]
    slow = [f"{escape(name)} ({number(rate)} ×)" for rate, name in rates[:_NAMED] if rate < usual / 2]
    if not slow:
        return []
    return [
        f"slowest: {', '.join(slow)}; usual: {number(usual)} × real time; large frames and many faces take "
        "longest: --quality fast looks for faces half as often"
    ]


def _without_baseline(outcomes: Iterable[Outcome]) -> list[str]:
    counts = [o.tracks_without_baseline for o in outcomes if o.tracks_without_baseline]
    if not counts:
        return []
    return [
        f"--baseline: {_plural(sum(counts), 'track')} in {_plural(len(counts), 'video')} "
        f"{'is' if sum(counts) == 1 else 'are'} shorter than 5 s and had no neutral face subtracted"
    ]


def _stopped(summary: RunSummary) -> list[str]:
    why = "stopped" if summary.signal is None else signal_name(summary.signal)
    kept, dropped = summary.count("ok", "partial"), summary.count("stopped")
    left = summary.todo - kept - summary.count("failed")
    in_flight = f"{dropped} under way {'was' if dropped == 1 else 'were'} dropped, nothing is half-written"
    lines = [
        f"{why}: {_plural(kept, 'video')} finished and kept in {escape(str(summary.out))}; "
        f"{in_flight if dropped else 'nothing is half-written'}"
    ]
    if left and summary.overwrite:
        lines.append(f"the results that the {left} had before are untouched")
    if left:
        lines += [f"to go on with the remaining {left}, run:", f"  {resume_command(summary.command)}"]
    return lines


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
