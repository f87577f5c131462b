"""One training run from its recipe to its model folder: what `autrt train` does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from autrt.console import Mode
from autrt.errors import UsageError
from autrt.model.folder import Model
from autrt.pipeline import StoppedError
from autrt.signals import Signals
from autrt_train.data import Data, open_data
from autrt_train.distill.data import open_taught_data
from autrt_train.distill.report import compare
from autrt_train.distill.report import write as write_comparison
from autrt_train.fit import checkpoint
from autrt_train.fit.best import best_weights
from autrt_train.fit.finish import write_model
from autrt_train.fit.judge import Judgement, judge
from autrt_train.fit.log import RunLog
from autrt_train.fit.loop import Fit
from autrt_train.fit.world import World, join
from autrt_train.halt import Halt
from autrt_train.learner import build_learner, start_from
from autrt_train.loading.rate import bare_rate
from autrt_train.read_recipe import recipe_json, require_places
from autrt_train.recipe import Recipe
from autrt_train.sampling.statistics import sampling_statistics, statistics_lines

RECIPE_FILE = "recipe.json"
MODEL_FOLDER = "model"


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

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
    say: Callable[[str], object],
) -> Report:
    """Run a recipe in this process, or this process's share of it under torchrun.

    Args:
        recipe: what to do.
        folder: of the run: checkpoints, logs, and for AU runs the finished `model/`.
        resume: go on from `last.pt`.
        device: auto, cpu or cuda.
        progress: how to tell what happens.
        say: takes lines worth reading.

    Raises:
        UsageError, DataError: something about recipe, folder or data is wrong; nothing was touched.
        TrainingError: NaN or divergence.
        DiskFullError: a checkpoint could not be saved; the one before it is whole.
        EngineError: the teacher cannot be run here.
    """
    require_places(recipe)
    _check_folder(folder, resume)
    halt = Halt()
    try:
        with join(device) as world:
            quiet: Callable[[str], object] = say if world.leads else lambda _: None
            _check_share(recipe, world)
            with closing(_open(recipe, world, halt, progress, quiet)) as data:
                return _train(recipe, folder, resume, progress, quiet, world, data, halt)
    except StoppedError:  # while the data were read; out here, so that the other processes are told
        return Report(False, halt.signal, 0, None)


def _open(recipe: Recipe, world: World, halt: Halt, progress: Mode, say: Callable[[str], object]) -> Data:
    if recipe.distill is None:
        return open_data(recipe, world, say)
    return open_taught_data(recipe, world, halt, progress, say)


def _train(
    recipe: Recipe,
    folder: Path,
    resume: bool,
    progress: Mode,
    say: Callable[[str], object],
    world: World,
    data: Data,
    halt: Halt,
) -> Report:
    learner = build_learner(recipe, data.train.class_names)
    if data.lesson is not None and data.lesson.features is not None:
        learner.project_to(len(data.lesson.features.mean))
    start_from(learner.network, recipe, say)
    fit = Fit(recipe, data, learner, folder, world, halt.event)
    if resume:
        fit.resume()
    for line in statistics_lines(sampling_statistics(data.plan, data.plan.labels, data.train.label_names)):
        say(line)
    log = None
    if world.leads:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE_FILE).write_text(recipe_json(recipe))
        log = RunLog(folder, progress, fit.steps, fit.progress.step)
    try:
        with Signals(halt.ask):
            finished = fit.run(log)
            if finished and log is not None:
                _tell_rate(log, data, recipe, say)
            model = _finish(fit, say) if finished and recipe.task == "au" else None
    finally:
        if log is not None:
            log.close()
    return Report(finished, halt.signal, fit.progress.step, model)


def _tell_rate(log: RunLog, data: Data, recipe: Recipe, say: Callable[[str], object]) -> None:
    """How near training came to what its loader can give at most."""
    alone = bare_rate(data.train_loader, data.train, recipe.augment, batch=recipe.fit.batch)
    say(f"{log.rate():.0f} pictures/s, validation included; the loader alone gives {alone:.0f}")


def _finish(fit: Fit, say: Callable[[str], object]) -> Model | None:
    """The best weights as a model folder; every process takes part in judging them."""
    fit.world.wait()
    fit.learner.network.load_state_dict(checkpoint.load(best_weights(fit.folder))["state_dict"])
    look = judge(fit.learner, fit.data, fit.recipe, fit.world)
    if not fit.world.leads:
        return None
    model = write_model(fit.folder / MODEL_FOLDER, fit.learner, fit.data, fit.recipe, look)
    _tell_comparison(fit, model, look, say)
    say(f"the model is in {model.path}: autrt infer --model {model.path} …")
    return model


def _tell_comparison(fit: Fit, model: Model, look: Judgement, say: Callable[[str], object]) -> None:
    """The student against its teacher, where it has one."""
    lesson = fit.data.lesson
    if lesson is None or lesson.teacher is None:
        return
    name = fit.folder.resolve().name
    comparison = compare(lesson.teacher, lesson, fit.data, model, look.outputs, name)
    for line in comparison.lines():
        say(line)
    say(f"written to {write_comparison(comparison, fit.folder)}")


def _check_folder(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder}: expected a folder, found a file")
    if not resume and (folder / checkpoint.LAST).exists():
        raise UsageError(f"{folder} holds a run: go on with --resume, or take another --out")


def _check_share(recipe: Recipe, world: World) -> None:
    if recipe.fit.batch % world.size:
        raise UsageError(f"fit.batch = {recipe.fit.batch} cannot be shared evenly by {world.size} processes")
