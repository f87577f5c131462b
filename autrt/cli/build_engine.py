"""`autrt build-engine`: compile a model for this machine ahead of its first use."""

from __future__ import annotations

from pathlib import Path

import click

from autrt.engine.build import BuildReport, build
from autrt.engine.open import ENGINES
from autrt.model.folder import DEFAULT_MODEL, load_model


@click.command()
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="A packaged model's name, or a model folder."
)
@click.option("--engine", default="auto", show_default=True, type=click.Choice(["auto", *ENGINES]))
@click.option("--precision", default="f32", show_default=True, type=click.Choice(["f32", "bf16", "fp16"]))
@click.option("--batch", default=16, show_default=True, type=click.IntRange(1), help="Rows; infer uses 16.")
@click.option("--device", default="auto", show_default=True, help="cpu, or cuda:N.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Cache folder to build into; set AUTRT_CACHE to it when inferring. [default: the user's]",
)
def command(model: str, engine: str, precision: str, batch: int, device: str, out: Path | None) -> None:
    """Compile a model for this machine, check that it computes what the network computes, and keep it.

    Engines are built on first use anyway; this does it ahead, and says how exact they are.
    """
    reports = build(
        load_model(model), engine=engine, precision=precision, batch=batch, device=device, cache=out
    )
    for line in _table(reports):
        click.echo(line)


def _table(reports: list[BuildReport]) -> list[str]:
    rows = [
        (
            "member",
            "engine",
            "precision",
            "device",
            "batch",
            "logit error: max",
            "p99",
            "p50",
            "decisions",
            "s",
        ),
        *(_row(report) for report in reports),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for report in reports:
        truth = "torch" if report.parity.against == "torch" else "the model's reference outputs"
        lines.append(f"{report.member}: {report.parity.rows} crops against {truth}; kept in {report.folder}")
    return lines


def _row(report: BuildReport) -> tuple[str, ...]:
    spec, error = report.spec, report.parity.errors["logits"]
    return (
        report.member,
        spec.engine,
        spec.precision,
        spec.device,
        str(spec.batch),
        f"{error.max:.1e}",
        f"{error.p99:.1e}",
        f"{error.p50:.1e}",
        f"{report.parity.changed_decisions:.2%} changed",
        f"{report.seconds:.2f}",
    )
