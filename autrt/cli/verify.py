"""`autrt verify`: read results files whole and check them."""

from __future__ import annotations

from pathlib import Path

import click

from autrt.cli.paths import LocalPath


@click.command("verify", short_help="Read results files whole and check them.")
@click.argument("paths", nargs=-1, required=True, type=LocalPath())
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """Read every results file in PATHS (files, or folders of .h5 files) whole and check it.

    Checksums, layout, and what must hold between the columns. Prints a line for every bad file and a summary.
    Exit code 0: all are sound; 3: some are not.
    """
    from autrt.results.find import find_results
    from autrt.results.names import escape
    from autrt.results.verify import verify

    found = find_results(paths)
    bad = 0
    for path, _ in found:
        if problems := verify(path):
            bad += 1
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            click.echo(f"{escape(str(path))}: {escape(problems[0])}{more}")
    click.echo(f"{len(found)} files checked: {len(found) - bad} sound, {bad} bad")
    if bad:
        ctx.exit(3)
