"""`autrt distill`: train a student by a teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.cli.train import command as train


@click.command(
    "distill", short_help="Train a small model on a large one's outputs, also for videos without labels."
)
@click.argument("recipe", default="distill", type=NameOrPath())
@click.option(
    "--teacher", type=NameOrPath(), help="A model's folder, an ensemble's folder, or a packaged model's name."
)
@click.option(
    "--videos",
    multiple=True,
    type=LocalPath(),
    help="Unlabelled videos to learn from: a file, folder or glob.",
)
@click.option(
    "--targets",
    multiple=True,
    type=LocalPath(),
    help="Outputs of another tool for the pictures and videos: tables of MediaPipe's blendshapes, of OpenFace or "
    "py-feat, or a folder of results.",
)
@click.option(
    "--coded",
    multiple=True,
    type=LocalPath(),
    help="Label files of pictures that have --targets, on which these are calibrated.",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting: fit.epochs=3.")
@click.option("--out", type=LocalPath(), help="Folder of the run. [default: runs/RECIPE]")
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda: the student's.")
@click.option("--dry-run", is_flag=True, help="Show the resolved recipe and what it costs; train nothing.")
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
@click.pass_context
def command(
    ctx: click.Context,
    recipe: str,
    teacher: str | None,
    videos: tuple[Path, ...],
    targets: tuple[Path, ...],
    coded: tuple[Path, ...],
    changes: tuple[str, ...],
    **others: Any,
) -> None:
    """Train the network of RECIPE (default: distill) on a teacher's outputs.

    With --targets other tools teach too, each the AUs that it is good at; --teacher may then be left out.

    This is `autrt train` with the recipe's section `distill` filled in. The faces of --videos are detected, cut out
    and kept, and so are the teacher's outputs: a run that was stopped or killed does not repeat them. Labelled data
    of the recipe are trained on as well, and evaluated on; `distill-unlabelled` names none.

    Ctrl-C saves a checkpoint and ends; --resume goes on exactly there. At the end the student is compared with its
    teacher, which OUT/distill.json keeps.
    """
    from autrt.errors import UsageError
    from autrt_train.read_recipe import read_recipe

    if teacher is not None:
        changes = (*changes, f"distill.teacher={json.dumps(teacher, ensure_ascii=False)}")
    if videos:
        paths = json.dumps([str(path) for path in videos], ensure_ascii=False)
        changes = (*changes, f"distill.videos={paths}")
    if coded and not targets:
        raise UsageError("--coded calibrates what --targets names: add --targets")
    if targets:
        files = json.dumps([str(path) for path in coded], ensure_ascii=False)
        values = [json.dumps([str(path)], ensure_ascii=False) for path in targets]
        entries = ", ".join(f"{{ values = {one}, coded = {files} }}" for one in values)
        changes = (f"distill.targets=[{entries}]", *changes)  # before --set, which may change them
    if read_recipe(recipe, changes).distill is None:
        raise UsageError(f"the recipe {recipe} names no teacher: expected --teacher MODEL or --targets TABLE")
    # Named in full: `train` has options of these names for finetuning.
    own = {"data": (), "videos": (), "labels_format": None, "threshold": None, "model": None}
    ctx.invoke(train, recipe=recipe, changes=changes, check_data=False, **own, **others)
