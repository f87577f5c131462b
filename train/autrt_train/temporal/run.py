"""Training of a temporal network from results and labels to a model folder: `autrt train temporal`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from autrt import __version__
from autrt.errors import UsageError
from autrt.model.folder import Model, load_model
from autrt.model.temporal import TemporalNetwork, build
from autrt.model.temporal_folder import require_no_temporal, save_with_temporal
from autrt.postprocess.temporal import TILE_TICKS
from autrt.run.signals import Signals
from autrt.storage.escape import escape
from autrt_train.fit import checkpoint
from autrt_train.read_recipe import recipe_json
from autrt_train.recipe import Recipe, SequenceData, TemporalSettings
from autrt_train.stop_request import StopRequest
from autrt_train.temporal.fit import Fitted, fit_temporal, validation_logits
from autrt_train.temporal.report import TemporalReport, report_lines, report_metrics, report_on, write_report
from autrt_train.temporal.sequences import VideoSequence, read_sequences, split_sequences
from autrt_train.train import MODEL_FOLDER, RECIPE_FILE, TrainSummary


def train_temporal(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    halt: StopRequest,
    log: Callable[[str], object],
    report: Callable[[str], object],
) -> TrainSummary:
    """Train a temporal network, and write a copy of its model with the network in place of the windows.

    Args:
        recipe: has a section `temporal`.
        folder: of the run: checkpoint, log, report and the finished `model/`.
        resume: go on from the folder's checkpoint.
        halt: stop request, set by signals.
        log: takes lines about the progress.
        report: takes the lines of the report.

    Raises:
        UsageError, DataError: recipe, folder, results or labels are unsuitable.
        ResultsError: a results file is damaged.
        TrainingError: the loss is not finite.
        DiskFullError: something could not be saved; what was there before is whole.
    """
    settings = recipe.temporal
    assert settings is not None
    start = load_model(settings.start)
    require_no_temporal(start, "a temporal network is trained for")
    _check(settings, folder, resume)
    train, validation = _read(settings, start, recipe.seed, log)
    torch.manual_seed(recipe.seed)
    network = _build(settings, start, train)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECIPE_FILE).write_text(recipe_json(recipe))
    with Signals(halt.ask):
        fitted = fit_temporal(network, train, validation, recipe, folder, resume=resume, halt=halt, log=log)
    if not fitted.finished:
        return TrainSummary(finished=False, signal=halt.signal, steps=fitted.state.epoch, model=None)
    found = report_on(start, validation, validation_logits(fitted.network, validation), recipe.seed)
    facts = _facts(settings, start, train, found, fitted)
    model = save_with_temporal(
        folder / MODEL_FOLDER,
        start,
        fitted.network,
        tile_ticks=TILE_TICKS,
        thresholds=found.thresholds,
        metrics=report_metrics(found),
        training=facts,
        overwrite=True,
    )
    write_report(found, {**facts, "model": model.digest}, folder)
    for line in report_lines(found):
        report(line)
    report(f"the model is in {escape(str(model.path))}: autrt infer --model {escape(str(model.path))} …")
    return TrainSummary(finished=True, signal=None, steps=fitted.state.epoch, model=model)


def _check(settings: TemporalSettings, folder: Path, resume: bool) -> None:
    for part, needed in (("train", True), ("validation", False)):
        data: SequenceData = getattr(settings, part)
        if bool(data.results) != bool(data.labels) or (needed and not data.results):
            raise UsageError(
                f"temporal.{part}: expected results and labels of them, found {len(data.results)} and "
                f"{len(data.labels)}: --results DIR (of `autrt infer --features`) --labels KIND=ROOT"
            )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {escape(str(folder))}: expected a folder, found a file")
    if not resume and (folder / checkpoint.LAST).exists():
        raise UsageError(f"{escape(str(folder))} holds a run: go on with --resume, or take another --out")


def _read(
    settings: TemporalSettings, start: Model, seed: int, log: Callable[[str], object]
) -> tuple[list[VideoSequence], list[VideoSequence]]:
    """Return the videos to train on and those of other people to validate with."""
    train = read_sequences(settings.train, start, features=settings.features, log=log)
    if settings.validation.results:
        validation = read_sequences(settings.validation, start, features=settings.features, log=log)
        files = [{one.file.resolve() for one in part} for part in (train, validation)]
        if shared := files[0] & files[1]:
            raise UsageError(
                "temporal.validation: expected other results than temporal.train, found "
                f"{escape(str(min(shared)))} in both"
            )
    else:
        train, validation = split_sequences(train, settings.validation_share, seed)
    for name, part in (("to train on", train), ("to validate with", validation)):
        faces = sum(int((one.labels >= 0).any(axis=1).sum()) for one in part)
        log(f"{len(part)} videos {name}, {faces} labelled faces")
    return train, validation


def _build(settings: TemporalSettings, start: Model, train: list[VideoSequence]) -> TemporalNetwork:
    features = train[0].features
    return build(
        {
            "kind": settings.kind,
            "au_names": start.au_names,
            "windows": start.smoothing_windows.tolist(),
            "features": 0 if features is None else features.shape[1],
            **settings.change,
        }
    )


_UNSAID: Final = {"train", "validation", "start"}
"""Settings that hold places of files."""


def _facts(
    settings: TemporalSettings,
    start: Model,
    train: list[VideoSequence],
    found: TemporalReport,
    fitted: Fitted,
) -> dict[str, Any]:
    """Return the origin of the network as JSON values."""
    return {
        "start": {"name": start.name, "model_digest": start.digest, "licence": start.licence},
        "videos": len(train),
        "validation_videos": found.videos,
        "labels": [spec.kind for spec in settings.train.labels],
        "settings": settings.model_dump(mode="json", exclude=_UNSAID),
        "epochs": fitted.state.epoch,
        "best_epoch": fitted.state.best_epoch,
        "autrt": __version__,
    }
