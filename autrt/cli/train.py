"""`autrt train`: train AU models by recipe."""

from __future__ import annotations

from pathlib import Path

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.console import Mode


@click.command()
@click.argument("recipe", required=False, type=NameOrPath())
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting: fit.epochs=3.")
@click.option("--out", type=LocalPath(), help="Folder of the run. [default: runs/RECIPE]")
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--dry-run", is_flag=True, help="Show the resolved recipe and what it costs; train nothing.")
@click.option(
    "--check-data", is_flag=True, help="Read the data, report what is in it and what is wrong; train nothing."
)
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(
    recipe: str | None,
    changes: tuple[str, ...],
    out: Path | None,
    resume: bool,
    device: str,
    dry_run: bool,
    check_data: bool,
    progress: Mode,
) -> None:
    """Train by RECIPE, a packaged recipe's name or a TOML file; without one, list the packaged ones.

    Ctrl-C saves a checkpoint and ends; --resume goes on exactly there. Several GPUs or processes:
    `torchrun --nproc-per-node N -m autrt train RECIPE …`.
    """
    from autrt_train.read_recipe import read_recipe

    if recipe is None:
        _list()
        return
    settings = read_recipe(recipe, changes)
    folder = out or Path("runs") / Path(recipe).with_suffix("").name
    if dry_run:
        from autrt_train.preview import preview_lines

        for line in preview_lines(settings):
            click.echo(line)
    elif check_data:
        from autrt_train.check_data import check_data as check

        for line in check(settings, folder):
            click.echo(line)
    else:
        from autrt_train.run import train

        report = train(
            settings,
            folder,
            resume=resume,
            device=device,
            progress=progress,
            say=lambda line: click.echo(line, err=True),
        )
        if not report.finished and not report.steps:
            click.echo("stopped before the first step; run the same command again", err=True)
            raise SystemExit(128 + (report.signal or 2))
        if not report.finished:
            click.echo(f"stopped after step {report.steps}; go on with --resume --out {folder}", err=True)
            raise SystemExit(128 + (report.signal or 2))


def _list() -> None:
    from autrt_train.read_recipe import read_recipe, recipe_names

    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        recipe = read_recipe(name)
        click.echo(f"{name:{width}}  {recipe.about}")
        click.echo(f"{'':{width}}  {recipe.cost}")
