"""`autrt summary`: what results hold, in a table for each video and face."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, OutputFile

if TYPE_CHECKING:
    from autrt.results.summaries.formats import SummaryWriter, Write


@click.command("summary", short_help="Say what results hold: a table for each video and face.")
@click.argument("paths", nargs=-1, required=True, type=LocalPath())
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV: a row per video, track and Action Unit.")
@click.option("--all-aus", is_flag=True, help="Experimental Action Units too (docs/models.md).")
@click.option("--all-tracks", is_flag=True, help="Tracks of less than a second too, each with its table.")
@click.option("--out", type=OutputFile(), help="File to write to, instead of the screen.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    as_json: bool,
    as_csv: bool,
    all_aus: bool,
    all_tracks: bool,
    out: Path | None,
) -> None:
    """Say what the results files in PATHS (files, or folders of .h5 files) hold.

    For each video how many frames have a face, and for each track (one face through one shot) and Action Unit: the
    share of its frames in which it is active, mean and peak of the smoothed probability and when it peaks, how many
    times a minute it becomes active ("/min") and for how long ("each s"), and how far the model can be trusted
    about it ("grade"). The last lines are for all videos together.

    Exit code 0: all were read; 3: some are damaged, and named.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if all_tracks and (as_json or as_csv):
        raise click.UsageError("--all-tracks is for the tables alone: JSON and CSV hold every track")
    from autrt.results.find import find_results
    from autrt.results.summaries.formats import CsvSummaryWriter, JsonSummaryWriter
    from autrt.results.summaries.text import TextSummaryWriter

    found = list(dict.fromkeys(path for path, _ in find_results(paths)))
    with _opened(out) as write:
        if as_json:
            writer = JsonSummaryWriter(write)
        elif as_csv:
            writer = CsvSummaryWriter(write)
        else:
            writer = TextSummaryWriter(write, all_tracks=all_tracks)
        damaged = _summarise(found, writer, all_aus)
    if damaged:
        ctx.exit(3)


def _summarise(paths: Sequence[Path], writer: SummaryWriter, all_aus: bool) -> int:
    """Write all summaries and return the number of damaged files."""
    from autrt.errors import ResultsError
    from autrt.results.model_titles import model_titles
    from autrt.results.open_guarded import open_guarded
    from autrt.results.summaries.formats import Totals, without_grade
    from autrt.results.summaries.summary import summarise
    from autrt.storage.escape import escape

    total = Totals()
    models: list[tuple[str, str]] = []
    for path in paths:
        try:
            with open_guarded(path) as results:
                video, digest = summarise(results), results.header.model_digest
        except ResultsError as error:
            click.echo(str(error), err=True)
            writer.add_damaged(escape(str(path)), str(error))
            total.damaged += 1
        else:
            total.add(video)
            models.append((video.model, digest))
            writer.add_video(*((video, ()) if all_aus else without_grade(video, "experimental")))
    writer.finish(total)
    if len(titles := model_titles(models)) > 1:
        click.echo(f"note: these are results of different models: {', '.join(titles)}", err=True)
    return total.damaged


@contextmanager
def _opened(out: Path | None) -> Generator[Write]:
    """Open the output; a file appears whole or not at all."""
    if out is None:
        yield lambda text: click.echo(text, nl=False)
        return
    from autrt.storage.atomic_file import replacing

    with replacing(out) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield file.write
