"""`autrt export`: results files as CSV or Parquet, or as the files that the ABAW challenge takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath

if TYPE_CHECKING:
    from autrt.results.challenge.submission import Challenge

TABLES = ("csv", "parquet")
CHALLENGES = ("abaw-2022", "abaw-2024")


@click.command("export", short_help="Write results as CSV, Parquet, or the ABAW challenge's files.")
@click.argument("paths", nargs=-1, required=True, type=LocalPath())
@click.option(
    "--format",
    "fmt",
    type=click.Choice([*TABLES, *CHALLENGES]),
    default="csv",
    show_default=True,
    help="csv has OpenFace's columns; parquet all columns; abaw-2022: a text for each video; abaw-2024: one file.",
)
@click.option(
    "--out",
    type=LocalPath(file_okay=False),
    help="Folder to write to; beside the results if left out (not for a challenge).",
)
@click.option(
    "--update",
    is_flag=True,
    help="Leave tables alone that are newer than their results; whatever options or version made them.",
)
@click.option(
    "--frames",
    type=LocalPath(),
    help="The challenge's list of videos or of frames, all of which its files must hold.",
)
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    fmt: str,
    out: Path | None,
    update: bool,
    frames: Path | None,
) -> None:
    """Write a table beside every results file in PATHS (files, or folders of .h5 files), or below --out.

    a/b.mp4.h5 becomes a/b.mp4.csv or a/b.mp4.parquet; a file of that name is replaced. Exit code 0: all were
    written; 3: some were not.

    A challenge's files hold the decisions for the main face in every frame of --frames, or of all results. For a
    frame without a face the previous one with a face stands in; before the first one no AU is active. Nothing is
    written unless all of it is there.
    """
    if fmt in CHALLENGES:
        if update:
            raise click.UsageError(
                "--update is for tables: a challenge's files are written together or not at all"
            )
        _challenge(paths, fmt, out, frames)
        return
    if frames is not None:
        raise click.UsageError(f"--frames is for --format {' or '.join(CHALLENGES)}")
    if bad := _tables(paths, fmt, out, update):
        ctx.exit(bad)


def _challenge(paths: tuple[Path, ...], challenge: Challenge, out: Path | None, frames: Path | None) -> None:
    from autrt.results.challenge.frame_list import read_frame_list
    from autrt.results.challenge.submission import make_submission, write_submission
    from autrt.results.find import find_results

    if out is None:
        raise click.UsageError(f"--format {challenge} needs --out, a folder for the submission alone")
    wanted = None if frames is None else read_frame_list(frames)
    submission = make_submission(challenge, find_results(paths), wanted)
    write_submission(submission, out)
    for note in submission.notes:
        click.echo(note)
    rows = sum(text.count("\n") - 1 for text in submission.texts.values())
    click.echo(f"{rows} frames written as {challenge}: {len(submission.texts)} files in {out}")


def _tables(paths: tuple[Path, ...], fmt: str, out: Path | None, update: bool) -> int:
    """Write the tables; the exit code."""
    from autrt.errors import ResultsError
    from autrt.results.find import find_results, is_newer
    from autrt.results.formats import FORMATS
    from autrt.results.reader import open_results

    export = FORMATS.load(fmt)
    jobs = _targets(find_results(paths), fmt, out)
    current = {target for target, path in jobs.items() if update and is_newer(target, [path])}
    jobs = {target: path for target, path in jobs.items() if target not in current}
    bad = 0
    for target, path in jobs.items():
        try:
            with open_results(path) as results:
                export(results, target)
        except ResultsError as error:
            bad += 1
            click.echo(str(error))
    unchanged = f"; {len(current)} up to date" if update else ""
    click.echo(f"{len(jobs) - bad} of {len(jobs)} files written as {fmt}{unchanged}")
    return 3 if bad else 0


def _targets(found: list[tuple[Path, Path]], fmt: str, out: Path | None) -> dict[Path, Path]:
    """Output file → results file; two inputs for one output are an error."""
    from autrt.errors import UsageError
    from autrt.results.names import escape, file_name
    from autrt.results.schema import SUFFIX

    jobs: dict[Path, Path] = {}
    for path, relative in found:
        folder = path.parent if out is None else (out / relative).parent
        target = folder / file_name(path.name.removesuffix(SUFFIX), f".{fmt}")
        if jobs.setdefault(target, path) != path:
            raise UsageError(
                f"{escape(str(jobs[target]))} and {escape(str(path))} would both become "
                f"{escape(str(target))}: export them to different --out folders"
            )
    return jobs
