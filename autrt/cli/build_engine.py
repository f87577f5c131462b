"""`autrt build-engine`: compile a model for this machine, or for a server's GPUs, ahead of its first use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.console.text_table import aligned
from autrt.engine.build import BuildReport, build
from autrt.engine.calibration_crops import read_crops
from autrt.engine.open import ENGINES
from autrt.engine.precision.layer_report import Layer
from autrt.errors import UsageError
from autrt.model.folder import DEFAULT_MODEL, load_model

PRECISIONS = {"f32": "f32", "fp32": "f32", "bf16": "bf16", "fp16": "fp16", "int8": "int8"}

SHOWN_LAYERS = 5
"""Layers of the largest numbers and errors that are shown; those that stay float32 are all shown."""


@click.command()
@click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    type=NameOrPath(),
    help="A packaged model's name, or a model folder.",
)
@click.option("--engine", default="auto", show_default=True, type=click.Choice(["auto", *ENGINES]))
@click.option("--precision", default="f32", show_default=True, type=click.Choice(list(PRECISIONS)))
@click.option("--batch", default=16, show_default=True, type=click.IntRange(1), help="Rows; infer uses 16.")
@click.option(
    "--profile", metavar="MIN,BEST,MAX", help="TensorRT: batch sizes to build for. [default: --batch alone]"
)
@click.option("--device", default="auto", show_default=True, help="cpu, or cuda:N.")
@click.option("--target", default="", help="TensorRT-RTX: GPUs to build for, anywhere; e.g. sm86,sm89.")
@click.option(
    "--crops",
    type=LocalPath(exists=True, file_okay=False),
    help="Crops by `autrt crop` to choose fp16 layers and int8 ranges by, and to check with; "
    "up to 512 are read. [default: the model's own 64]",
)
@click.option(
    "--out",
    type=LocalPath(file_okay=False),
    help="Cache folder to build into; set AUTRT_CACHE to it when inferring. [default: the user's]",
)
@click.option("--verbose", is_flag=True, help="Print the progress of a build.")
def command(
    model: str,
    engine: str,
    precision: str,
    batch: int,
    profile: str | None,
    device: str,
    target: str,
    crops: Path | None,
    out: Path | None,
    verbose: bool,
) -> None:
    """Compile a model for this machine, check that it computes what the network computes, and keep it.

    Engines are built on first use anyway; this does it ahead, and says how exact they are. fp16 engines of TensorRT
    and int8 engines have a table of layers: the largest number in each, and its error.
    """
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    reports = build(
        load_model(model),
        engine=engine,
        precision=PRECISIONS[precision],
        batch=batch,
        device=device,
        cache=out,
        profile=_profile(profile) if profile else None,
        targets=tuple(filter(None, target.split(","))),
        crops=read_crops(crops) if crops else None,
    )
    for line in _lines(reports):
        click.echo(line)


def _profile(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise UsageError(f"--profile: expected three batch sizes, as in 1,16,64; found {text!r}")
    least, best, most = map(int, parts)
    return least, best, most


def _lines(reports: Sequence[BuildReport]) -> list[str]:
    header = ("member", "engine", "precision", "for", "batch", "logit error: max", "p99", "p50", "decisions")
    lines = list(aligned([(*header, "s", "MB"), *map(_row, reports)]))
    for report in reports:
        against = {"reference": "the model's reference outputs"}.get(
            report.parity.against, report.parity.against
        )
        lines.append(
            f"{report.member}: {report.parity.rows} crops against {against}; kept in {report.folder}"
        )
        if report.layers:
            lines += ["", *_layers(report.member, report.layers)]
    return lines


def _row(report: BuildReport) -> tuple[str, ...]:
    spec, error = report.spec, report.parity.errors["logits"]
    return (
        report.member,
        spec.engine,
        spec.precision,
        ",".join(report.targets) or spec.device,
        ",".join(map(str, report.profile or (spec.batch,))),
        f"{error.max:.1e}",
        f"{error.p99:.1e}",
        f"{error.p50:.1e}",
        f"{report.parity.changed_decisions:.2%} changed",
        f"{report.seconds:.2f}",
        f"{report.size_bytes / 1e6:.1f}",
    )


def _layers(member: str, layers: Sequence[Layer]) -> list[str]:
    """Return a table of some layers: all that stay float32 where others don't, and those of the largest numbers."""
    kinds = {kind: sum(layer.precision == kind for layer in layers) for kind in ("int8", "fp16", "f32")}
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    largest = sorted(layers, key=lambda layer: -layer.largest)[:SHOWN_LAYERS]
    worst = sorted(layers, key=lambda layer: -layer.error)[:SHOWN_LAYERS]
    kept = [x for x in layers if x.precision == "f32"] if kinds["fp16"] else []
    shown = [layer for layer in layers if layer in largest or layer in worst or layer in kept]
    rows = [(x.name, x.op, f"{x.largest:.3g}", x.precision, f"{x.error:.1e}") for x in shown]
    title = (
        f"{member}: {len(layers)} layers ({counts}); those of the largest numbers and errors, and kept ones:"
    )
    return [title, *aligned([("layer", "operator", "largest", "precision", "error"), *rows])]
