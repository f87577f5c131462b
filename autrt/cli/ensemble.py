"""`autrt ensemble`: several networks as one model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, NameOrPath

if TYPE_CHECKING:
    from autrt_train.ensembling.f1 import Thresholds
    from autrt_train.ensembling.selectors import Strategy


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
    device: str,
    seed: int,
    overwrite: bool,
) -> None:
    """Make one model of MEMBERS: training runs, checkpoints of them (RUN/weights/0003.pt), and model folders.

    A run takes part by the checkpoints that were the best of an AU or overall. Members are chosen by f1_binary on
    validation data, which all runs share; what is reported was chosen on one half of the videos and evaluated on
    the other. A member that no AU uses is left out, and what is there twice counts once.
    """
    from autrt_train.ensembling.make_ensemble import EnsembleSettings, make_ensemble
    from autrt_train.evaluate.label_options import parse_label_options

    settings = EnsembleSettings(
        select=select,
        thresholds=thresholds,
        labels=tuple(parse_label_options(labels, split, changes)),
        device=device,
        seed=seed,
        overwrite=overwrite,
    )
    model, report = make_ensemble(members, out, settings, lambda line: click.echo(line, err=True))
    for line in report.lines():
        click.echo(line)
    click.echo(f"the ensemble is in {model.path}: autrt infer --model {model.path} …")
