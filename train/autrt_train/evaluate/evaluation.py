"""Evaluation of predictions: from predictions and labels to scores, differences and a calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from autrt.errors import UsageError
from autrt.model.folder import Model, load_model, packaged_models
from autrt.model.schema import ENSEMBLE_FILE, MODEL_FILE
from autrt.settings import InferSettings
from autrt.storage.escape import escape
from autrt_train.annotations.read import DataSpec
from autrt_train.evaluate.bootstrap import FEW_UNITS, Resampling
from autrt_train.evaluate.calibrate import OWN, Calibration, calibrate
from autrt_train.evaluate.ground_truth import read_ground_truth
from autrt_train.evaluate.labelled_predictions import LabelledPredictions
from autrt_train.evaluate.predict_pictures import predict_pictures, read_pictures
from autrt_train.evaluate.read_predictions import read_predictions
from autrt_train.evaluate.scores import (
    EvaluatedPredictions,
    Scores,
    differences,
    evaluate_stages,
    pair_predictions,
)
from autrt_train.types import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSettings:
    """Settings of an evaluation."""

    times: int = 1000
    """Number of resamplings for intervals."""
    seed: int = 0
    image_rate: Fraction | None = None
    """Frames per second of consecutive pictures; None: pictures have no order in time."""
    infer: InferSettings = field(default_factory=InferSettings)
    """Engine, precision and device of models that are run."""
    folds: int | None = None
    """Number of folds of a calibration; None: no calibration."""
    against: str | None = None
    """Precision to compare with that of `infer` for one model; None: no comparison."""

    @property
    def runs(self) -> tuple[InferSettings, ...]:
        """Settings of each run of a model: one, or one per precision."""
        if self.against is None:
            return (self.infer,)
        return replace(self.infer, precision=self.against), self.infer


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Results of an evaluation."""

    evaluated: tuple[EvaluatedPredictions, ...]
    """One or two sets of predictions."""
    differences: Mapping[str, Scores]
    """Stage → second minus first; empty for one set."""
    calibration: Calibration | None
    n_groups: int
    """Videos (or groups of videos with a person in common) that were resampled."""
    notes: tuple[str, ...]
    """Caveats for readers of the numbers."""


def evaluate(
    predictions: Sequence[str],
    labels: Sequence[DataSpec],
    settings: EvalSettings,
    log: Callable[[str], object],
) -> Evaluation:
    """Evaluate one or two sets of predictions.

    Args:
        predictions: results folders, model or ensemble folders, names of packaged models.
        labels: data sets with the ground truth.
        settings: of the evaluation.
        log: receives lines about long steps and irregular data.

    Raises:
        UsageError: a set is neither results nor a model, there are more than two, or a calibration of two.
        DataError: labels or pictures are missing or invalid, or nothing is labelled.
        EngineError, ResultsError: a model cannot run here, a file is damaged.
    """
    if not 1 <= len(predictions) <= 2:
        raise UsageError(f"expected one set of predictions, or two to compare, found {len(predictions)}")
    if settings.folds is not None and len(predictions) * len(settings.runs) == 2:
        raise UsageError("--calibrate takes one set of predictions, found two")
    parts, notes = _read(predictions, labels, settings, log)
    if len(parts) == 2:
        first, second, more = pair_predictions(*parts)
        if not len(first):
            raise DataError(
                f"{parts[0].name} and {parts[1].name} have no labelled face (or no AU) in common: expected "
                "predictions of the same videos or pictures"
            )
        known, notes = [first, second], [*notes, *more]
    else:
        known = [parts[0].take(parts[0].labelled)]
        if not len(known[0]):
            raise DataError("no face that was found has a label: check that frames are numbered from 1")
    resampling = Resampling.draw(known[0].group, settings.times, settings.seed)
    evaluated = tuple(evaluate_stages(rows, resampling) for rows in known)
    calibration = None
    if settings.folds is not None:
        log(f"calibrating in {settings.folds} folds")
        calibration = calibrate(parts[0], resampling, settings.folds, settings.seed)
        notes = [*notes, *_no_better(calibration)]
    return Evaluation(
        evaluated=evaluated,
        differences=differences(*evaluated) if len(evaluated) == 2 else {},
        calibration=calibration,
        n_groups=known[0].n_groups,
        notes=(*notes, *_interval_notes(known[0])),
    )


def _no_better(calibration: Calibration) -> list[str]:
    gain = calibration.gain(OWN)["f1_binary"].value[:-1]
    worse = [name for name, value in zip(calibration.au_names, gain.tolist(), strict=True) if value < 0]
    if not worse:
        return []
    return [
        f"held out, what was found is worse than the model's own values for {', '.join(worse)}: such AUs have "
        "too few positives or too few people here"
    ]


def _interval_notes(predictions: LabelledPredictions) -> list[str]:
    """Return notes about intervals that are too narrow to rely on."""
    n_groups = predictions.n_groups
    if n_groups < 2:
        return ["one video alone: there is nothing to take intervals from"]
    if n_groups < FEW_UNITS:
        return [f"{n_groups} videos alone: the intervals are far too narrow to rely on; label more videos"]
    shown = [len(np.unique(predictions.group[column == 1])) for column in predictions.labels.T]
    rare = [name for name, n in zip(predictions.au_names, shown, strict=True) if n < FEW_UNITS]
    if not rare:
        return []
    return [f"active in fewer than {FEW_UNITS} videos, so that intervals are too narrow: {', '.join(rare)}"]


def _read(
    predictions: Sequence[str],
    labels: Sequence[DataSpec],
    settings: EvalSettings,
    log: Callable[[str], object],
) -> tuple[list[LabelledPredictions], list[str]]:
    models = [_model(name) for name in predictions]
    if settings.against is not None and (len(models) == 2 or None in models):
        raise UsageError("--against compares two precisions of one model: expected one model, and no results")
    ground_truths = [read_ground_truth(spec) for spec in labels] if None in models else []
    index = read_pictures(labels, log) if any(models) else None
    parts: list[LabelledPredictions] = []
    notes: list[str] = []
    for name, model in zip(predictions, models, strict=True):
        if model is not None:
            assert index is not None
            parts += [predict_pictures(model, index, run, settings.image_rate, log) for run in settings.runs]
        else:
            found, more = read_predictions(Path(name), ground_truths)
            parts.append(found)
            notes += [f"{escape(name)}: {line}" for line in more]
    if settings.against is not None:
        pairs = zip(parts, settings.runs, strict=True)
        return [replace(part, name=f"{part.name} {run.precision}") for part, run in pairs], notes
    return _with_distinct_names(parts, predictions), notes


def _model(name: str) -> Model | None:
    """Return the model of that name or folder, or None for a folder of results."""
    path = Path(name)
    if name in packaged_models() or any((path / file).is_file() for file in (MODEL_FILE, ENSEMBLE_FILE)):
        return load_model(name)
    if not path.exists():
        raise UsageError(
            f"{escape(name)}: expected a folder of results (`autrt infer`), a model folder, or a packaged model's "
            f"name ({', '.join(packaged_models())}); found nothing of that name"
        )
    return None


def _with_distinct_names(
    parts: Sequence[LabelledPredictions], given: Sequence[str]
) -> list[LabelledPredictions]:
    """Return predictions under distinct names: their models', or if these are equal those given by the user."""
    if len({part.name for part in parts}) == len(parts):
        return list(parts)
    if len(set(given)) < len(given):
        raise UsageError(f"{escape(given[0])} is named twice: expected two sets of predictions")
    return [replace(part, name=name) for part, name in zip(parts, given, strict=True)]
