"""`autrt plan`: shares of a run, weighed by the durations of the videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from autrt.cli.paths import LocalPath, OutputFile
from autrt.settings import StillFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autrt.console import Mode
    from autrt.run.shard_plan import PlannedSource


@click.command("plan", short_help="Share videos out among machines by their durations, for `infer --plan`.")
@click.argument("paths", nargs=-1, type=LocalPath())
@click.option("--videos", multiple=True, type=LocalPath(), help="A further file, folder or glob.")
@click.option("--shards", required=True, type=click.IntRange(1), help="Number of shares.")
@click.option("--out", required=True, type=OutputFile(".parquet"), help="The plan, a Parquet file.")
@click.option("--image-rate", default="30", show_default=True, help="As for `autrt infer`.")
@click.option(
    "--stills",
    type=click.Choice(get_args(StillFiles)),
    default="each",
    show_default=True,
    help="As for `autrt infer`, which follows the plan.",
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Videos read at once, each in a process.  [default: one a core]"
)
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    shards: int,
    out: Path,
    image_rate: str,
    stills: StillFiles,
    jobs: int | None,
    progress: Mode,
) -> None:
    """Read how long the videos in PATHS and --videos are, and share them out among --shards machines.

    `autrt infer --plan FILE --shard I/N` does one share; within a job of Slurm or Kubernetes write `--shard auto`.
    The plan holds absolute paths: all machines see the videos under the same ones.
    """
    import sys
    from contextlib import closing

    from autrt.console import make_reporter
    from autrt.errors import UsageError
    from autrt.machine import available_cores
    from autrt.run.options import parse_rate
    from autrt.run.shard_plan import share_out, survey, write_plan
    from autrt.run.work_list import drop_repeated
    from autrt.video.discover import discover

    if not paths and not videos:
        raise UsageError("no input: name files, folders or globs of videos")
    found = discover((*paths, *videos), stills_together=stills == "folder")
    sources, repeated = drop_repeated(found)
    mode = "none" if progress == "auto" and not sys.stderr.isatty() else progress
    with closing(make_reporter(mode)) as reporter:
        reporter.begin(len(sources), None)
        lengths = survey(
            sources,
            parse_rate(image_rate),
            jobs or available_cores(),
            lambda: reporter.ended("", "ok", {}),
        )
    planned = share_out(sources, lengths, shards)
    write_plan(out, planned, shards)
    for line in (*repeated, *_told(planned, shards)):
        click.echo(line, err=progress == "json")


def _told(planned: Sequence[PlannedSource], shards: int) -> list[str]:
    from autrt.console.formatting import duration

    loads = [0.0] * shards
    for video in planned:
        loads[video.shard - 1] += video.length_s or 0.0
    unknown = sum(video.length_s is None for video in planned)
    lines = [
        f"{len(planned)} videos, {duration(sum(loads))}, in {shards} shards of {duration(min(loads))} "
        f"to {duration(max(loads))}"
    ]
    which = "1 video states" if unknown == 1 else f"{unknown} videos state"
    return lines + ([f"{which} no duration, or cannot be read"] if unknown else [])
