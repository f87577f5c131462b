"""`autrt eval`: evaluation of predictions against annotations, and calibration of thresholds and windows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.cli.values import FractionType
from autrt.console import Mode

if TYPE_CHECKING:
    from autrt_train.evaluate.evaluation import Evaluation


@click.command()
@click.argument("predictions", nargs=-1, required=True, type=NameOrPath())
@click.option(
    "--labels",
    multiple=True,
    required=True,
    metavar="KIND=ROOT",
    help="Annotations: their kind (coded, affwild2, manifest, rendered, results, disfa or bp4d) and folder "
    "or file.",
)
@click.option(
    "--split", type=click.Choice(["train", "validation"]), help="Part of the annotated data. [default: all]"
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting for reading annotations: threshold=2, labels=DIR, …",
)
@click.option("--out", type=LocalPath(file_okay=False), help="Folder for tables and pictures.")
@click.option(
    "--image-rate",
    type=FractionType(),
    help="Take pictures for consecutive frames of videos, R a second, and smooth them. [default: single pictures]",
)
@click.option("--engine", default="auto", show_default=True, help="As for `autrt infer`.")
@click.option(
    "--device", default="auto", show_default=True, help="cpu, cuda or cuda:N; auto: a GPU if there is one."
)
@click.option(
    "--precision", default="f32", show_default=True, help="As for `autrt infer`; fp16 is fast on GPUs."
)
@click.option(
    "--against",
    metavar="PRECISION",
    help="Run one model in this precision too, and compare: f32 for --precision int8.",
)
@click.option(
    "--most-loss",
    type=click.FloatRange(0),
    help="With two: exit code 1 unless the second's mean f1_binary is surely at most this much lower.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Search thresholds (and windows, where faces have an order in time), evaluated by cross-validation.",
)
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="Folds of --calibrate.")
@click.option(
    "--write",
    type=LocalPath(file_okay=False, exists=True),
    help="Write what --calibrate finds into this model folder.",
)
@click.option(
    "--probabilities",
    is_flag=True,
    help="With --write: calibrate probabilities too, by a scale and a shift in the network's last layer.",
)
@click.option(
    "--resamplings",
    default=1000,
    show_default=True,
    type=click.IntRange(0),
    help="Bootstrap samples of videos for each interval; 0: no intervals.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(
    predictions: tuple[str, ...],
    labels: tuple[str, ...],
    split: str | None,
    changes: tuple[str, ...],
    out: Path | None,
    image_rate: Fraction | None,
    engine: str,
    device: str,
    precision: str,
    against: str | None,
    most_loss: float | None,
    calibrate: bool,
    folds: int,
    write: Path | None,
    probabilities: bool,
    resamplings: int,
    seed: int,
    progress: Mode,
) -> None:
    """Evaluate PREDICTIONS against annotations; two PREDICTIONS are compared face by face.

    PREDICTIONS is a folder of results of `autrt infer`, for annotated videos; or a model folder, an ensemble folder
    or a packaged model's name, which is run over annotated crops.
    """
    from contextlib import closing

    from autrt.console import make_reporter
    from autrt.engine.open import resolve_engine
    from autrt.errors import UsageError
    from autrt.settings import InferSettings
    from autrt_train.evaluate.evaluation import EvalSettings, evaluate
    from autrt_train.evaluate.evaluation_table import evaluation_lines
    from autrt_train.evaluate.gpu_if_there import gpu_if_there
    from autrt_train.evaluate.label_options import parse_label_options
    from autrt_train.evaluate.loss_check import check_loss

    if write is not None and not calibrate:
        raise UsageError("--write writes what --calibrate finds: add --calibrate")
    if probabilities and write is None:
        raise UsageError("--probabilities changes the model folder that --write names: add --write")
    if most_loss is not None and against is None and len(predictions) < 2:
        raise UsageError("--most-loss judges a difference: name two PREDICTIONS, or add --against f32")
    specs = parse_label_options(labels, split, changes)
    engine, device = resolve_engine(engine, gpu_if_there(engine, device))
    settings = EvalSettings(
        times=resamplings,
        seed=seed,
        image_rate=image_rate,
        infer=InferSettings(engine=engine, precision=precision, device=device),
        folds=folds if calibrate else None,
        against=against,
    )
    with closing(make_reporter(progress)) as reporter:
        found = evaluate(predictions, specs, settings, reporter.say)
    for line in evaluation_lines(found):
        click.echo(line)
    if out is not None:
        from autrt_train.evaluate.evaluation_report import write_evaluation_report
        from autrt_train.evaluate.plots import write_plots

        write_evaluation_report(out, found, predictions, specs, settings)
        write_plots(out, found)
    if write is not None:
        _write(write, found, labels, probabilities=probabilities)
    if most_loss is not None:
        verdict = check_loss(found, most_loss)
        click.echo(str(verdict))
        raise SystemExit(int(not verdict.accepted))


def _write(folder: Path, found: Evaluation, labels: tuple[str, ...], *, probabilities: bool) -> None:
    from autrt.errors import UsageError
    from autrt_train.evaluate.fold_in import fold_in
    from autrt_train.evaluate.write_calibration import require_same_network, write_calibration

    assert found.calibration is not None
    evaluated = found.evaluated[0].predictions
    require_same_network(folder, evaluated.network_digests, evaluated.temporal_digest)
    if probabilities and evaluated.baseline != "none":
        raise UsageError(
            f"--probabilities: the results have each person's neutral face subtracted ({evaluated.baseline}), "
            "after which no shift of logits is left: calibrate on results without --baseline"
        )
    baseline = "" if evaluated.baseline == "none" else f", --baseline {evaluated.baseline}"
    data = ", ".join(labels) + baseline
    model = write_calibration(folder, found.calibration, data)
    if probabilities:
        model = fold_in(folder, found.calibration, data)
        click.echo("probabilities are calibrated and the network has changed: run `autrt infer` anew")
    click.echo(f"{found.calibration.method} written to {folder}; its digest is now {model.digest[:12]}")
