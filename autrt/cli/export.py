"""`autrt export`: results files as CSV or Parquet."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export", short_help="Write results as CSV (OpenFace's columns) or Parquet.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="csv has OpenFace's columns; parquet all columns.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; beside the results if left out.",
)
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], fmt: str, out: Path | None) -> None:
    """Write a table beside every results file in PATHS (files, or folders of .h5 files), or below --out.

    a/b.mp4.h5 becomes a/b.mp4.csv or a/b.mp4.parquet; a file of that name is replaced. Exit code 0: all were
    written; 3: some were not.
    """
    from autrt.errors import ResultsError
    from autrt.results.find import find_results
    from autrt.results.formats import FORMATS
    from autrt.results.reader import open_results

    export = FORMATS.load(fmt)
    jobs = _targets(find_results(paths), fmt, out)
    bad = 0
    for target, path in jobs.items():
        try:
            with open_results(path) as results:
                export(results, target)
        except ResultsError as error:
            bad += 1
            click.echo(str(error))
    click.echo(f"{len(jobs) - bad} of {len(jobs)} files written as {fmt}")
    if bad:
        ctx.exit(3)


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
