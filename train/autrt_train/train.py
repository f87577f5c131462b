"""One training run from its recipe to its model folder: the work of `autrt train`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from autrt.console import Mode
from autrt.errors import UsageError
from autrt.model.folder import Model
from autrt.pipeline.recognise import StoppedError
from autrt.run.signals import Signals
from autrt_train.distill.comparison import compare_with_teacher, write_comparison
from autrt_train.distill.distillation_data import open_distillation_data
from autrt_train.fit import checkpoint
from autrt_train.fit.best_checkpoints import best_weights_path
from autrt_train.fit.loop import TrainingLoop
from autrt_train.fit.process_group import ProcessGroup, join_process_group
from autrt_train.fit.training_log import TrainingLog
from autrt_train.fit.validate import ValidationResult, validate
from autrt_train.fit.write_model import write_model
from autrt_train.loading.loader_rate import loader_rate
from autrt_train.read_recipe import recipe_json, require_places
from autrt_train.recipe import Recipe
from autrt_train.sampling.statistics import sampling_statistics, statistics_lines
from autrt_train.stop_request import StopRequest
from autrt_train.training_data import TrainingData, open_data
from autrt_train.training_network import build_training_network, start_from

RECIPE_FILE = "recipe.json"
MODEL_FOLDER = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """Outcome of a run."""

    finished: bool
    signal: int | None
    steps: int
    model: Model | None


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: Mode = "auto",
    log: Callable[[str], object],
) -> TrainSummary:
    """Train in this process, or do this process's share under torchrun.

    Args:
        recipe: all settings.
        folder: of the run: checkpoints, logs, and for AU runs the finished `model/`.
        resume: go on from `last.pt`.
        device: auto, cpu or cuda.
        progress: how to show progress.
        log: called with lines of text for the user.

    Raises:
        UsageError, DataError: recipe, folder or data are invalid; nothing was written.
        TrainingError: NaN or divergence.
        DiskFullError: a checkpoint could not be saved; the one before it is whole.
        EngineError: the teacher's engine cannot run here.
    """
    require_places(recipe)
    _check_folder(folder, resume)
    stop_request = StopRequest()
    try:
        with join_process_group(device) as group:
            quiet: Callable[[str], object] = log if group.is_leader else lambda _: None
            _check_share(recipe, group)
            with closing(_open(recipe, group, stop_request, progress, quiet)) as data:
                return _train(recipe, folder, resume, progress, quiet, group, data, stop_request)
    except StoppedError:  # while the data were read; caught out here, so that the other processes learn of it
        return TrainSummary(finished=False, signal=stop_request.signal, steps=0, model=None)


def _open(
    recipe: Recipe,
    group: ProcessGroup,
    stop_request: StopRequest,
    progress: Mode,
    log: Callable[[str], object],
) -> TrainingData:
    if recipe.distill is None:
        return open_data(recipe, group, log)
    return open_distillation_data(recipe, group, stop_request, progress, log)


def _train(
    recipe: Recipe,
    folder: Path,
    resume: bool,
    progress: Mode,
    log: Callable[[str], object],
    group: ProcessGroup,
    data: TrainingData,
    stop_request: StopRequest,
) -> TrainSummary:
    training_network = build_training_network(recipe, data.train.class_names)
    if data.teacher_targets is not None and data.teacher_targets.features is not None:
        training_network.project_to(len(data.teacher_targets.features.mean))
    start_from(training_network.network, recipe, log)
    loop = TrainingLoop(recipe, data, training_network, folder, group, stop_request.event)
    if resume:
        loop.resume()
    for line in statistics_lines(sampling_statistics(data.plan, data.plan.labels, data.train.label_names)):
        log(line)
    training_log = None
    if group.is_leader:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE_FILE).write_text(recipe_json(recipe))
        training_log = TrainingLog(folder, progress, loop.steps, loop.progress.step)
    try:
        with Signals(stop_request.ask):
            finished = loop.run(training_log)
            if finished and training_log is not None:
                _log_rate(training_log, data, recipe, log)
            model = _finish(loop, log) if finished and recipe.task == "au" else None
    finally:
        if training_log is not None:
            training_log.close()
    return TrainSummary(finished=finished, signal=stop_request.signal, steps=loop.progress.step, model=model)


def _log_rate(
    training_log: TrainingLog, data: TrainingData, recipe: Recipe, log: Callable[[str], object]
) -> None:
    """Log the training speed beside the speed of the loader alone."""
    alone = loader_rate(data.train_loader, data.train, recipe.augment, batch=recipe.fit.batch)
    log(f"{training_log.rate():.0f} pictures/s, validation included; the loader alone gives {alone:.0f}")


def _finish(loop: TrainingLoop, log: Callable[[str], object]) -> Model | None:
    """Write the best weights as a model folder; all processes take part in validating them."""
    loop.group.barrier()
    loop.training_network.network.load_state_dict(
        checkpoint.load(best_weights_path(loop.folder))["state_dict"]
    )
    validation = validate(loop.training_network, loop.data, loop.recipe, loop.group)
    if not loop.group.is_leader:
        return None
    model = write_model(loop.folder / MODEL_FOLDER, loop.training_network, loop.data, loop.recipe, validation)
    _log_comparison(loop, model, validation, log)
    log(f"the model is in {model.path}: autrt infer --model {model.path} …")
    return model


def _log_comparison(
    loop: TrainingLoop, model: Model, validation: ValidationResult, log: Callable[[str], object]
) -> None:
    """Compare the student with its teacher, if it has one."""
    targets = loop.data.teacher_targets
    if targets is None or targets.teacher is None:
        return
    name = loop.folder.resolve().name
    comparison = compare_with_teacher(targets.teacher, targets, loop.data, model, validation.outputs, name)
    for line in comparison.lines():
        log(line)
    log(f"written to {write_comparison(comparison, loop.folder)}")


def _check_folder(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder}: expected a folder, found a file")
    if not resume and (folder / checkpoint.LAST).exists():
        raise UsageError(f"{folder} holds a run: go on with --resume, or take another --out")


def _check_share(recipe: Recipe, group: ProcessGroup) -> None:
    if recipe.fit.batch % group.size:
        raise UsageError(f"fit.batch = {recipe.fit.batch} cannot be shared evenly by {group.size} processes")
