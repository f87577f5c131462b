"""`autrt status`: how far the runs in an output folder are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autrt.cli.paths import AnyPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autrt.run.status import FolderStatus
    from autrt.storage.remote_url import Location

SHOWN = 10
"""Reasons, and videos in flight, that are shown."""


@click.command(
    "status", short_help="Say how far the runs in an output folder are, and when they will be done."
)
@click.argument("out", type=AnyPlace(exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object (with --watch: a line each time).")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=10.0,
    metavar="SECONDS",
    help="Again every so many seconds (10 if left out), until no run is at work.",
)
def command(out: Location, as_json: bool, watch: float | None) -> None:
    """Say what the manifests in the output folder OUT know: done, failed and why, in flight, speed, time left.

    No results file is opened: it takes seconds for 100,000 videos, also while runs on other machines are at work.
    """
    import json
    import time
    from pathlib import Path

    from autrt.run.status import StatusReader

    if isinstance(out, Path):
        read = StatusReader(out).read
    else:
        from autrt.run.cloud.status import CloudStatusReader

        read = CloudStatusReader(out).read
    while True:
        status = read()
        if as_json:
            click.echo(json.dumps(status.to_json(), indent=None if watch else 1))
        else:
            if watch:
                click.clear()
            click.echo("\n".join(_lines(status)))
        if watch is None or not status.runs:
            return
        time.sleep(watch)


def _lines(status: FolderStatus) -> Iterator[str]:
    from autrt.console.formatting import duration, size

    parts = {
        "ok": status.ok, "partial": status.partial, "done before": status.done_before, "failed": status.failed,
        "in flight": len(status.in_flight), "dropped by runs that ended": status.dropped,
    }  # fmt: skip
    yield ", ".join(f"{n} {name}" for name, n in parts.items() if n or name == "ok")
    known = status.video_s or not status.frames
    length = f"{duration(status.video_s)} of video" if known else "of unknown duration"
    yield f"{status.frames} frames, {length}, {size(status.results_bytes)} of results"
    yield from _reasons(status)
    yield from _in_flight(status)
    yield from _speeds(status)
    yield _left(status)


def _reasons(status: FolderStatus) -> Iterator[str]:
    from autrt.storage.escape import escape

    reasons = list(status.failed_reasons.items())
    yield from (f"  failed {n:6}: {escape(reason)}" for reason, n in reasons[:SHOWN])
    if len(reasons) > SHOWN:
        yield f"  and {len(reasons) - SHOWN} more reasons (--json has all)"


def _in_flight(status: FolderStatus) -> Iterator[str]:
    from autrt.console.formatting import duration

    for video in status.in_flight[:SHOWN]:
        yield f"  in flight for {duration(video.age_s)} on {video.host} (process {video.pid}): {video.path}"
    if len(status.in_flight) > SHOWN:
        yield f"  and {len(status.in_flight) - SHOWN} more in flight"


def _speeds(status: FolderStatus) -> Iterator[str]:
    from autrt.console.formatting import duration
    from autrt.console.text_table import aligned

    if status.speed:
        each = duration(status.speed[0].seconds)
        rows = [(f"{each} from", "videos", "frames/s", "× real time")]
        rows += [
            (s.start_utc, str(s.videos), f"{s.frames / s.seconds:.1f}", _speed_x(s.video_s / s.seconds))
            for s in status.speed
        ]
        yield from aligned(rows, left=1)


def _speed_x(speed_x: float) -> str:
    return f"{speed_x:.2f}" if speed_x else "–"  # no durations in manifests of earlier versions


def _left(status: FolderStatus) -> str:
    from autrt.console.formatting import duration

    if status.left is None:
        return "how much is left is not known: no manifest says how much its run had to do"
    runs = (
        f"{status.runs} run{'' if status.runs == 1 else 's'} at work" if status.runs else "no run is at work"
    )
    when = (
        f"; done in {duration(status.left_s)}, at {status.end_utc}" if status.left and status.left_s else ""
    )
    return f"{status.left} left; {runs}{when}"
