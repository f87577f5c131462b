"""`autrt recompute`: decisions made anew from stored logits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.console.progress import VideoProgress

if TYPE_CHECKING:
    from collections.abc import Generator

    from autrt.console import Mode, Reporter
    from autrt.run.recompute import Recomputed

SHOWN = 20
"""Files that failed and are named; of more, the number."""


@click.command(
    "recompute", short_help="Decide anew from stored logits: thresholds, smoothing, weights, baseline."
)
@click.argument("results", type=LocalPath())
@click.option(
    "--model",
    type=NameOrPath(),
    help="Model of the same networks, whose thresholds, smoothing windows and weights are taken.  "
    "[default: each file's own]",
)
@click.option("--baseline", metavar="none|pN", help="As for `autrt infer`.  [default: each file's own]")
@click.option(
    "--out", type=LocalPath(), help="Folder for the new files.  [default: they replace the old ones]"
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Files at once, each in a process.  [default: one a core]"
)
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
@click.pass_context
def command(
    ctx: click.Context,
    results: Path,
    model: str | None,
    baseline: str | None,
    out: Path | None,
    jobs: int | None,
    progress: Mode,
) -> None:
    """Make the decisions in RESULTS (an output folder of `infer`, or a file) anew, without the videos.

    Each file becomes what `autrt infer` with this model and baseline would write, one after the other and each
    whole or not at all; it also notes what it was. A stopped command goes on where it is called again. Other
    ensemble weights need results that were made with --keep-members.

    Exit codes: 0 all done; 3 some files failed, and are named; 130 interrupted.
    """
    import sys
    from contextlib import closing

    from autrt.cli.command_line import typed_command
    from autrt.console import make_reporter
    from autrt.errors import UsageError
    from autrt.machine import available_cores
    from autrt.model.folder import load_model
    from autrt.results.find import find_results
    from autrt.run.decisions import Decisions
    from autrt.run.options import parse_baseline
    from autrt.run.recompute import recompute

    if model is None and baseline is None:
        raise UsageError("nothing to decide anew: expected --model, --baseline, or both")
    parse_baseline(baseline)
    decisions = Decisions(model=None if model is None else load_model(model), baseline=baseline)
    n = len(find_results([results]))
    mode = "none" if progress == "auto" and not sys.stderr.isatty() else progress
    with (
        closing(make_reporter(mode)) as reporter,
        closing(recompute(results, out, decisions, typed_command(), jobs or available_cores())) as work,
    ):
        reporter.begin(n, None)
        ends = _each(work, reporter)
    failed = [(path, end.reason) for path, end in ends if end.status == "failed"]
    for _, reason in failed[:SHOWN]:
        click.echo(reason, err=True)
    if len(failed) > SHOWN:
        click.echo(f"and {len(failed) - SHOWN} more", err=True)
    if progress != "json":
        before = sum(end.status == "done before" for _, end in ends)
        click.echo(
            f"{n} files: {n - before - len(failed)} recomputed, {before} done before, {len(failed)} failed"
        )
    if failed:
        ctx.exit(3)


def _each(work: Generator[tuple[Path, Recomputed]], reporter: Reporter) -> list[tuple[Path, Recomputed]]:
    """Do all files, and report each."""
    from autrt.storage.escape import escape

    ends: list[tuple[Path, Recomputed]] = []
    for path, end in work:
        ends.append((path, end))
        reporter.advance(VideoProgress(end.frames))
        status = "skipped" if end.status == "done before" else end.status
        reporter.ended(escape(str(path)), status, {"frames": end.frames, "reason": escape(end.reason)})
    return ends
