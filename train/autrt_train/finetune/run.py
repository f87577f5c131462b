"""Finetuning from labels to a model folder: `autrt train finetune`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.console import Mode
from autrt.errors import UsageError
from autrt.model.folder import Model, load_model
from autrt.model.temporal_folder import require_no_temporal
from autrt.run.signals import Signals
from autrt.storage.escape import escape
from autrt_train.annotations.check import require_template
from autrt_train.finetune.finetune_report import Comparison, report_lines, write_finetune_report
from autrt_train.finetune.held_out import HELD_OUT, write_held_out
from autrt_train.finetune.labelled_crops import make_labelled_crops
from autrt_train.finetune.save import save_finetuned, training_facts
from autrt_train.finetune.train_head import train_head
from autrt_train.fit.process_group import join_process_group
from autrt_train.recipe import FinetuneSettings, Recipe
from autrt_train.stop_request import StopRequest

MODEL_FOLDER: Final = "model"


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """The finetuned model, compared with its start."""

    model: Model
    comparison: Comparison


def finetune(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: Mode = "auto",
    halt: StopRequest,
    log: Callable[[str], object],
    report: Callable[[str], object],
) -> FinetuneResult:
    """Train a model's last layer on the user's labels, and write the finetuned model and a report.

    Faces that an earlier run in the folder found and cropped are used again.

    Args:
        recipe: has a section `finetune`.
        folder: of the run: crops, report and the finished `model/`.
        resume: replace a finished model in the folder.
        device: auto, cpu or cuda.
        progress: display of progress in videos.
        halt: stop request, set by signals.
        log: receives lines about the progress.
        report: receives the lines of the report.

    Raises:
        UsageError, DataError: recipe, folder, labels or videos are unsuitable.
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: faces cannot be found here, or nothing can be written.
    """
    settings = recipe.finetune
    assert settings is not None
    start = _load_start(settings)
    _check_inputs(settings)
    _check_folder(folder, resume)
    data = make_labelled_crops(settings, start.au_names, folder, progress, halt, log)
    require_template(data.index, start.template, f"the model {settings.start!r}")
    with Signals(halt.ask), join_process_group(device) as world:
        if world.size > 1:
            raise UsageError(
                f"finetuning is done by one process: leave torchrun out, found {world.size} of them"
            )
        trained = train_head(recipe, settings, start, data.index, world.device, halt, log)
    facts = training_facts(recipe, settings, start, data, trained)
    model = save_finetuned(recipe, folder / MODEL_FOLDER, start, trained, facts)
    write_finetune_report(trained.comparison, {**facts, "model": model.digest}, folder)
    write_held_out(folder / HELD_OUT, data.index, trained.held_out)
    for line in report_lines(trained.comparison):
        report(line)
    report(f"the model is in {escape(str(model.path))}: autrt infer --model {escape(str(model.path))} …")
    if recipe.model.licence != start.licence:
        report(
            f"its licence is {recipe.model.licence!r}, the start's {start.licence!r}: state yours by --set "
            "model.licence=…, mindful of the start's and of what your recordings allow"
        )
    return FinetuneResult(model, trained.comparison)


def _load_start(settings: FinetuneSettings) -> Model:
    model = load_model(settings.start)
    require_no_temporal(model, "finetuning starts from")
    if len(model.members) != 1:
        raise UsageError(
            f"--model {settings.start}: expected a model of one network, found an ensemble of {len(model.members)}"
            ": finetune one of its members (members/NAME in its folder)"
        )
    return model


def _check_inputs(settings: FinetuneSettings) -> None:
    data = "--data labels.csv (a table, ELAN, BORIS or OpenFace file, or a folder of such)"
    videos = "--videos DIR (the videos or pictures that the labels are of)"
    for name, paths, example in (("--data", settings.data, data), ("--videos", settings.videos, videos)):
        if not paths:
            raise UsageError(f"finetuning needs {name}: expected {example}; see docs/finetune.md")


def _check_folder(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {escape(str(folder))}: expected a folder, found a file")
    if not resume and (folder / MODEL_FOLDER).exists():
        raise UsageError(
            f"{escape(str(folder))} holds a finished model: replace it by --resume, which keeps the faces that "
            "were found, or take another --out"
        )
