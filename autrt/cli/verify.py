"""`autrt verify`: read results files whole and check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import Results
from autrt.console.progress import VideoProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autrt.console import Mode, Reporter
    from autrt.results.verification.verify import VerifyResult


@click.command("verify", short_help="Read results files whole and check them.")
@click.argument("paths", nargs=-1, required=True, type=Results())
@click.option(
    "--jobs", type=click.IntRange(1), help="Files checked at once, each in a process.  [default: one a core]"
)
@click.option(
    "--progress",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "plain", "json", "none"]),
    help="auto: a bar on a terminal, else none; json: a line for each file in place of the text.",
)
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], jobs: int | None, progress: Mode) -> None:
    """Read every results file in PATHS (files, or folders of .h5 files) whole and check it.

    Checksums, layout, and what must hold between the columns. Prints a line for every bad file, in order of name,
    and a summary. A file that crashes the process that reads it is bad; the others are checked all the same.
    Exit code 0: all are sound; 3: some are not; 130: interrupted.
    """
    import sys
    from contextlib import closing

    from autrt.console import make_reporter
    from autrt.machine import available_cores
    from autrt.results.find import find_results

    found = [path for path, _ in find_results(paths)]
    mode = "none" if progress == "auto" and not sys.stderr.isatty() else progress
    with closing(make_reporter(mode)) as reporter:
        checked = _check(found, jobs or available_cores(), reporter)
    bad = [(path, one.problems) for path, one in zip(found, checked, strict=True) if one.problems]
    if progress != "json":
        _print(bad, len(found))
    if bad:
        ctx.exit(3)


def _check(paths: Sequence[Path], jobs: int, reporter: Reporter) -> list[VerifyResult]:
    """Return the result of each file, in their order."""
    from contextlib import closing

    from autrt.results.verification.verify_many import verify_many
    from autrt.storage.escape import escape

    reporter.begin(len(paths), None)
    found: dict[int, VerifyResult] = {}
    with closing(verify_many(paths, jobs)) as checking:
        for place, one in checking:
            found[place] = one
            facts = {"frames": one.frames, "faces": one.faces, "tracks": one.tracks}
            facts |= {"reason": escape(_first_of(one.problems))}
            reporter.advance(VideoProgress(one.frames))
            reporter.ended(escape(str(paths[place])), "failed" if one.problems else "ok", facts)
    return [found[place] for place in range(len(paths))]


def _print(bad: Sequence[tuple[Path, tuple[str, ...]]], n: int) -> None:
    from autrt.storage.escape import escape

    for path, problems in bad:
        click.echo(f"{escape(str(path))}: {escape(_first_of(problems))}")
    click.echo(f"{n} files checked: {n - len(bad)} sound, {len(bad)} bad")
    if bad:
        click.echo("delete what is bad and run the same `autrt infer` again: it computes these videos anew")


def _first_of(problems: Sequence[str]) -> str:
    """Return the first problem, and the number of the others."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}" if problems else ""
