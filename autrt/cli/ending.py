"""How a run of many videos is told at its end: what is done, what is not, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from autrt.console.words import duration, number
from autrt.run.job import Job, Outcome
from autrt.run.run import Summary
from autrt.run.signals import signal_name
from autrt.storage.escape import escape

_LISTED: Final = 100
"""Videos that are listed with their reasons; of more, the manifest has the rest."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is told at the end of a run.

    Args:
        job: what the videos were done with.
        todo: how many there were to do.
        skipped: how many were done before.
        overwrites: those to do may have earlier results.
    """

    job: Job
    todo: int
    skipped: int
    overwrites: bool = False

    def facts(self, summary: Summary | None) -> dict[str, Any]:
        """What the last JSON event says; without a summary for a run that an error ends."""
        out = {"out": escape(str(self.job.out)), "command": again(self.job.command)}
        if summary is None:
            return out | {"exit_code": 1}
        fatal = {} if summary.fatal is None else {"error": escape(str(summary.fatal))}
        stopped = {} if summary.signal is None else {"signal": summary.signal}
        return out | {"exit_code": summary.exit_code} | stopped | fatal

    def show(self, summary: Summary) -> None:
        """Print the counts, the videos that something is to be said of, and how to go on."""
        lines = [self._counts(summary), *_listed(summary.outcomes)]
        if summary.signal is not None or summary.fatal is not None:
            lines += self._stopped(summary)
        click.echo("\n".join(lines), err=True)

    def _counts(self, summary: Summary) -> str:
        parts = [f"{summary.count(s)} {s}" for s in ("ok", "partial", "failed") if summary.count(s)]
        parts += [f"{self.skipped} done before"] if self.skipped else []
        frames = sum(o.frames for o in summary.outcomes)
        video_s = sum(o.video_s for o in summary.outcomes)
        length = f" ({duration(video_s)} of video)" if video_s else ""
        told = f"{', '.join(parts) or 'nothing done'}; {frames} frames{length} in {summary.seconds:.1f} s"
        if not frames or not summary.seconds:
            return told
        rate_x = f", {number(video_s / summary.seconds)} × real time" if video_s else ""
        return f"{told}, {frames / summary.seconds:.0f} frames/s{rate_x}"

    def _stopped(self, summary: Summary) -> list[str]:
        why = "stopped" if summary.signal is None else signal_name(summary.signal)
        kept, dropped = summary.count("ok", "partial"), summary.count("stopped")
        left = self.todo - kept - summary.count("failed")
        under_way = (
            f"{dropped} under way {'was' if dropped == 1 else 'were'} dropped, nothing is half-written"
        )
        lines = [
            f"{why}: {_videos(kept)} finished and kept in {escape(str(self.job.out))}; "
            f"{under_way if dropped else 'nothing is half-written'}"
        ]
        if left and self.overwrites:
            lines.append(f"the results that the {left} had before are untouched")
        if left:
            lines += [f"to go on with the remaining {left}, run:", f"  {again(self.job.command)}"]
        return lines


def again(command: str, *, without: Sequence[str] = ()) -> str:
    """Return the command line that does the rest: the same, but what is finished is never done over.

    Args:
        command: as it was typed.
        without: options, each with a value, to leave out too.
    """
    words: list[str] = []
    left = iter(shlex.split(command))
    for word in left:
        if word in without:
            next(left, None)
        elif word != "--overwrite" and word.partition("=")[0] not in without:
            words.append(word)
    return shlex.join(words)


def _listed(outcomes: Iterable[Outcome]) -> list[str]:
    """The videos that failed, lost something or have a note, in this order."""
    order = ("failed", "partial", "ok")
    told = [o for o in outcomes if o.status in order and (o.reason or o.status != "ok")]
    told.sort(key=lambda o: (order.index(o.status), o.relative))
    lines = [f"  {o.status} {escape(o.relative)}: {escape(o.reason)}" for o in told[:_LISTED]]
    more = len(told) - len(lines)
    return [*lines, f"  and {more} more: see the manifest"] if more else lines


def _videos(n: int) -> str:
    return "1 video" if n == 1 else f"{n} videos"
