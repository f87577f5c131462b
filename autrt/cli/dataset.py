"""`autrt dataset`: one Parquet data set over all results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, Results
from autrt.console.progress import VideoProgress

if TYPE_CHECKING:
    from autrt.console import Mode

SHOWN = 20
"""Files that were left out and are named; of more, the number."""


@click.command("dataset", short_help="Keep one Parquet data set over all results, for DuckDB, Polars, Spark.")
@click.argument("results", type=Results(exists=True, file_okay=False))
@click.option("--out", required=True, type=LocalPath(), help="Folder of the data set.")
@click.option(
    "--jobs", type=click.IntRange(1), help="Parts at once, each in a process.  [default: one a core]"
)
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
@click.pass_context
def command(ctx: click.Context, results: Path, out: Path, jobs: int | None, progress: Mode) -> None:
    """Make a Parquet data set of the results files in the folder RESULTS, or bring it up to date.

    Three tables (faces, tracks, videos), described in docs/dataset.md. Only new and changed results are read; rows
    of results that are gone are removed; where nothing changed, nothing is written. A stopped command goes on where
    it is called again.

    Exit codes: 0 all results are in; 3 some are damaged, named, and left out; 130 interrupted.
    """
    import sys
    from contextlib import closing

    from autrt.console import make_reporter
    from autrt.extras import importing
    from autrt.machine import available_cores

    with importing("a data set", "dataset"):
        from autrt.results.dataset.update import only_writer, plan_dataset, update_dataset
    mode = "none" if progress == "auto" and not sys.stderr.isatty() else progress
    bad: list[str] = []
    with only_writer(out), closing(make_reporter(mode)) as reporter:
        plan = plan_dataset(results, out)
        reporter.begin(len(plan.parts), None)
        with closing(update_dataset(results, out, plan, jobs or available_cores())) as work:
            for place, part in enumerate(work, 1):
                bad += part.bad
                reporter.advance(VideoProgress(part.rows))
                reporter.ended(
                    f"part {place}", "ok", {"frames": part.rows, "reason": f"{part.files} results"}
                )
    for line in bad[:SHOWN]:
        click.echo(line, err=True)
    if len(bad) > SHOWN:
        click.echo(f"and {len(bad) - SHOWN} more", err=True)
    click.echo(
        f"{plan.n_new} new results, {plan.n_changed} changed, {plan.n_gone} gone, {plan.n_kept} as before; "
        f"{len(bad)} left out",
        err=progress == "json",
    )
    if bad:
        ctx.exit(3)
