"""`autrt train`: train AU models by recipe."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.console import Mode

if TYPE_CHECKING:
    from autrt_train.recipe import Recipe
    from autrt_train.train import TrainSummary


@click.command()
@click.argument("recipe", required=False, type=NameOrPath())
@click.option(
    "--data",
    multiple=True,
    type=LocalPath(),
    help="finetune: labels, a file or a folder of files.",
)
@click.option(
    "--videos",
    multiple=True,
    type=LocalPath(),
    help="finetune: the videos or pictures that they are of: a file, folder or glob.",
)
@click.option(
    "--labels-format",
    help="finetune: table, openface, elan, boris or boris-project.  [default: by content]",
)
@click.option("--threshold", type=float, help="finetune: the code from which an AU is present.  [default: 1]")
@click.option(
    "--model",
    type=NameOrPath(),
    help="finetune, temporal: the model to start from, a name or a folder.  [default: student]",
)
@click.option(
    "--results", multiple=True, type=LocalPath(), help="temporal: results of `autrt infer --features`."
)
@click.option(
    "--labels", multiple=True, metavar="KIND=ROOT", help="temporal: labels of them, as for `autrt eval`."
)
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
    data: tuple[Path, ...],
    videos: tuple[Path, ...],
    labels_format: str | None,
    threshold: float | None,
    model: str | None,
    results: tuple[Path, ...],
    labels: tuple[str, ...],
    changes: tuple[str, ...],
    out: Path | None,
    resume: bool,
    device: str,
    dry_run: bool,
    check_data: bool,
    progress: Mode,
) -> None:
    """Train by RECIPE, a packaged recipe's name or a TOML file; without one, list the packaged ones.

    `autrt train temporal --results OUT --labels KIND=ROOT` teaches a model to look at the frames around each.
    `autrt train finetune --data labels.csv --videos DIR` teaches a packaged model by your own labels: a table, or
    files of ELAN, BORIS or OpenFace.

    Ctrl-C saves a checkpoint and ends; --resume goes on exactly there. Several GPUs or processes:
    `torchrun --nproc-per-node N -m autrt train RECIPE …`.
    """
    from autrt_train.read_recipe import read_recipe

    if recipe is None:
        _list()
        return
    given = {"data": data, "videos": videos, "format": labels_format, "threshold": threshold}
    named = (*_finetune_changes(recipe, given), *_temporal_changes(recipe, results, labels))
    settings = read_recipe(recipe, (*changes, *named, *_start_changes(recipe, model)))
    folder = out or Path("runs") / Path(recipe).with_suffix("").name
    if dry_run:
        from autrt_train.dry_run import dry_run_lines

        for line in dry_run_lines(settings):
            click.echo(line)
    elif settings.temporal is not None:
        _require_one_process("a temporal network")
        _temporal(settings, folder, check_data=check_data, resume=resume)
    elif settings.finetune is not None:
        _require_one_process("finetuning")
        _finetune(settings, folder, check_data=check_data, resume=resume, device=device, progress=progress)
    elif check_data:
        from autrt_train.annotations.stage_progress import StageProgress
        from autrt_train.check_data import check_data as check

        for line in check(settings, folder, StageProgress(progress)):
            click.echo(line)
    else:
        from autrt_train.train import train

        report = train(
            settings,
            folder,
            resume=resume,
            device=device,
            progress=progress,
            log=lambda line: click.echo(line, err=True),
        )
        _end(report, folder, "step")


def _require_one_process(what: str) -> None:
    from autrt.errors import UsageError

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError(
            f"{what}: expected one process, found {os.environ['WORLD_SIZE']} (WORLD_SIZE), of which each would do "
            "the same: start it without torchrun"
        )


def _end(report: TrainSummary, folder: Path, unit: str) -> None:
    """Exit with the signal's code where a run was stopped, and say how to go on."""
    if report.finished:
        return
    if report.steps:
        click.echo(f"stopped after {unit} {report.steps}; go on with --resume --out {folder}", err=True)
    else:
        click.echo(f"stopped before the first {unit}; run the same command again", err=True)
    raise SystemExit(128 + (report.signal or 2))


def _finetune_changes(recipe: str, given: dict[str, Any]) -> list[str]:
    """Return the options of finetuning as changes of its recipe."""
    from autrt.errors import UsageError
    from autrt_train.read_recipe import read_recipe

    named = {key: value for key, value in given.items() if value not in (None, ())}
    if not named:
        return []
    if read_recipe(recipe).finetune is None:
        raise UsageError(
            "--data, --videos, --labels-format and --threshold are for finetuning: expected `autrt train finetune "
            f"…`, found the recipe {recipe}, which names its data itself (--set data.train=…)"
        )
    texts = {
        key: [str(path) for path in value] if isinstance(value, tuple) else value
        for key, value in named.items()
    }
    return [f"finetune.{key}={json.dumps(value, ensure_ascii=False)}" for key, value in texts.items()]


def _temporal_changes(recipe: str, results: tuple[Path, ...], labels: tuple[str, ...]) -> list[str]:
    """Return the options of temporal networks as changes of their recipe."""
    from autrt.errors import UsageError
    from autrt_train.evaluate.label_options import parse_label_options
    from autrt_train.read_recipe import read_recipe

    if not results and not labels:
        return []
    if read_recipe(recipe).temporal is None:
        raise UsageError(
            "--results and --labels are for temporal networks: expected `autrt train temporal …`, found the "
            f"recipe {recipe}"
        )
    specs = [
        f"{{kind = {json.dumps(spec.kind)}, root = {json.dumps(str(spec.root), ensure_ascii=False)}}}"
        for spec in parse_label_options(labels, None, ())
    ]
    changes = {
        "results": json.dumps([str(path) for path in results], ensure_ascii=False),
        "labels": f"[{', '.join(specs)}]",
    }
    return [f"temporal.train.{key}={value}" for key, value in changes.items() if value != "[]"]


def _start_changes(recipe: str, model: str | None) -> list[str]:
    """Return --model as a change of a recipe that starts from a finished model."""
    from autrt.errors import UsageError
    from autrt_train.read_recipe import read_recipe

    if model is None:
        return []
    settings = read_recipe(recipe)
    sections = [name for name in ("finetune", "temporal") if getattr(settings, name) is not None]
    if not sections:
        raise UsageError(
            "--model is for finetuning and temporal networks: expected `autrt train finetune …` or `temporal …`, "
            f"found the recipe {recipe}, which names its start itself (--set start.checkpoint=…)"
        )
    return [f"{sections[0]}.start={json.dumps(model, ensure_ascii=False)}"]


def _temporal(settings: Recipe, folder: Path, *, check_data: bool, resume: bool) -> None:
    from autrt.errors import UsageError
    from autrt_train.stop_request import StopRequest
    from autrt_train.temporal.run import train_temporal

    if check_data:
        raise UsageError(
            "--check-data is for recipes with data.train; `autrt eval` shows what results and labels share"
        )
    summary = train_temporal(
        settings,
        folder,
        resume=resume,
        halt=StopRequest(),
        log=lambda line: click.echo(line, err=True),
        report=click.echo,
    )
    _end(summary, folder, "epoch")


def _finetune(settings: Recipe, folder: Path, *, check_data: bool, **how: Any) -> None:
    from autrt.errors import UsageError
    from autrt.pipeline.recognise import StoppedError
    from autrt_train.finetune.run import finetune
    from autrt_train.stop_request import StopRequest

    if check_data:
        raise UsageError(
            "--check-data is for recipes with data.train; finetuning reports on its labels as it reads them"
        )
    stop_request = StopRequest()
    try:
        finetune(
            settings,
            folder,
            **how,
            halt=stop_request,
            log=lambda line: click.echo(line, err=True),
            report=click.echo,
        )
    except StoppedError:
        click.echo("stopped; the same command goes on with the faces that were found", err=True)
        raise SystemExit(128 + (stop_request.signal or 2)) from None


def _list() -> None:
    from autrt_train.read_recipe import read_recipe, recipe_names

    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        recipe = read_recipe(name)
        click.echo(f"{name:{width}}  {recipe.about}")
        click.echo(f"{'':{width}}  {recipe.cost}")
