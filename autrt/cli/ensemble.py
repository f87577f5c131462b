"""`autrt ensemble`: several networks as one model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from autrt.cli.paths import LocalPath, NameOrPath

if TYPE_CHECKING:
    from autrt_train.ensembling.f1 import Thresholds
    from autrt_train.ensembling.selectors import Strategy
    from autrt_train.selection import SelectBy


@click.command()
@click.argument("members", nargs=-1, required=True, type=NameOrPath())
@click.option("--out", required=True, type=LocalPath(), help="The ensemble's folder.")
@click.option(
    "--select",
    default="best-per-au",
    show_default=True,
    type=click.Choice(["best-per-au", "simplex", "simplex-shared", "greedy"]),
    help="Each AU's best checkpoint; weights in tenths, per AU or for all AUs; greedy, for many members.",
)
@click.option(
    "--thresholds",
    default="calibrated",
    show_default=True,
    type=click.Choice(["calibrated", "0.5"]),
    help="Decide at the threshold of the best F1, or at the probability 0.5.",
)
@click.option(
    "--select-by",
    default="f1_posneg",
    show_default=True,
    type=click.Choice(["f1_posneg", "f1_posneg_raw", "f1_binary", "f1_binary_raw", "f1_binary_best"]),
    help="Score of the choice, at 0.5 and smoothed where the pictures are frames of videos: the paper's; of "
    "the positive class alone; _raw: not smoothed; _best: at the best threshold.",
)
@click.option(
    "--image-rate",
    type=click.FloatRange(0, min_open=True),
    help="The pictures of --labels are consecutive frames of videos, R a second. [default: single pictures; "
    "the runs' own validation data as their recipes say]",
)
@click.option(
    "--labels",
    multiple=True,
    metavar="KIND=ROOT",
    help="Choose by these annotated pictures, as `autrt eval` names them. [default: the runs' validation data]",
)
@click.option(
    "--split", type=click.Choice(["train", "validation"]), help="Which part of --labels. [default: all]"
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="How --labels are read: threshold=2, …"
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--precision",
    default="f32",
    show_default=True,
    type=click.Choice(["f32", "bf16", "fp16"]),
    help="Precision in which the candidates are run.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Parts the videos into halves, and draws intervals."
)
@click.option("--overwrite", is_flag=True, help="Replace --out if it is there.")
def command(
    members: tuple[str, ...],
    out: Path,
    select: Strategy,
    thresholds: Thresholds,
    labels: tuple[str, ...],
    split: str | None,
    changes: tuple[str, ...],
    select_by: SelectBy,
    image_rate: float | None,
    device: str,
    precision: Literal["f32", "bf16", "fp16"],
    seed: int,
    overwrite: bool,
) -> None:
    """Make one model of MEMBERS: training runs, checkpoints of them (RUN/weights/0003.pt), and model folders.

    A run takes part by the checkpoints that were the best of an AU or overall. Members are chosen by --select-by on
    validation data, which all runs share; what is reported was chosen on one half of the videos and evaluated on
    the other. A member that no AU uses is left out, and what is there twice counts once.
    """
    from autrt_train.ensembling.make_ensemble import EnsembleSettings, make_ensemble
    from autrt_train.evaluate.label_options import parse_label_options

    settings = EnsembleSettings(
        select=select,
        select_by=select_by,
        thresholds=thresholds,
        image_rate=image_rate,
        labels=tuple(parse_label_options(labels, split, changes)),
        device=device,
        precision=precision,
        seed=seed,
        overwrite=overwrite,
    )
    model, report = make_ensemble(members, out, settings, lambda line: click.echo(line, err=True))
    for line in report.lines():
        click.echo(line)
    click.echo(f"the ensemble is in {model.path}: autrt infer --model {model.path} …")
