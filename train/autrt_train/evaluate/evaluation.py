"""An evaluation from end to end: predictions and labels in, scores, differences and a calibration out."""

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
from autrt_train.evaluate.assess import Assessment, Judged, differences, judge, paired
from autrt_train.evaluate.bootstrap import FEW_UNITS, Resampling
from autrt_train.evaluate.calibrate import OWN, Calibration, calibrate
from autrt_train.evaluate.from_pictures import read_pictures, score_pictures
from autrt_train.evaluate.from_results import read_scored
from autrt_train.evaluate.scored import Scored
from autrt_train.evaluate.truth import read_truth
from autrt_train.types import DataError


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """How to evaluate."""

    times: int = 1000
    """Resamplings that intervals are taken from."""
    seed: int = 0
    image_rate: Fraction | None = None
    """Frames a second of pictures that follow each other; None: they don't."""
    infer: InferSettings = field(default_factory=InferSettings)
    """Engine, precision and device of models that are run."""
    folds: int | None = None
    """Calibrate in so many folds; None: don't."""
    against: str | None = None
    """A precision that one model is also run in, to be compared with that of `infer`; None: don't."""

    @property
    def runs(self) -> tuple[InferSettings, ...]:
        """How a model is run: once, or in two precisions."""
        if self.against is None:
            return (self.infer,)
        return replace(self.infer, precision=self.against), self.infer


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found out."""

    judged: tuple[Judged, ...]
    """One or two."""
    differences: Mapping[str, Assessment]
    """Stage → second minus first; empty for one."""
    calibration: Calibration | None
    n_groups: int
    """Videos (or groups of videos with a person in common) that were resampled."""
    notes: tuple[str, ...]
    """What a reader of the numbers must know."""


def evaluate(
    predictions: Sequence[str],
    labels: Sequence[DataSpec],
    settings: EvalSettings,
    say: Callable[[str], object],
) -> Evaluation:
    """Evaluate one or two sets of predictions.

    Args:
        predictions: results folders, model or ensemble folders, names of packaged models.
        labels: where the truth lies.
        settings: how.
        say: told what takes time, and what is irregular in the data.

    Raises:
        UsageError: neither results nor a model, more than two, or a calibration of two.
        DataError: labels or pictures are missing or wrong, or nothing is labelled.
        EngineError, ResultsError: a model cannot run here, a file is damaged.
    """
    if not 1 <= len(predictions) <= 2:
        raise UsageError(f"expected one set of predictions, or two to compare, found {len(predictions)}")
    if settings.folds is not None and len(predictions) * len(settings.runs) == 2:
        raise UsageError("--calibrate takes one set of predictions, found two")
    whole, notes = _scored(predictions, labels, settings, say)
    if len(whole) == 2:
        first, second, more = paired(*whole)
        if not len(first):
            raise DataError(
                f"{whole[0].name} and {whole[1].name} have no labelled face (or no AU) in common: expected "
                "predictions of the same videos or pictures"
            )
        known, notes = [first, second], [*notes, *more]
    else:
        known = [whole[0].take(whole[0].labelled)]
        if not len(known[0]):
            raise DataError("no face that was found has a label: check that frames are numbered from 1")
    resampling = Resampling.draw(known[0].group, settings.times, settings.seed)
    judged = tuple(judge(scored, resampling) for scored in known)
    calibration = None
    if settings.folds is not None:
        say(f"calibrating in {settings.folds} folds")
        calibration = calibrate(whole[0], resampling, settings.folds, settings.seed)
        notes = [*notes, *_no_better(calibration)]
    return Evaluation(
        judged,
        differences(*judged) if len(judged) == 2 else {},
        calibration,
        known[0].n_groups,
        (*notes, *_caution(known[0])),
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


def _caution(scored: Scored) -> list[str]:
    """Where intervals are not to be relied on."""
    n_groups = scored.n_groups
    if n_groups < 2:
        return ["one video alone: there is nothing to take intervals from"]
    if n_groups < FEW_UNITS:
        return [f"{n_groups} videos alone: the intervals are far too narrow to rely on; label more videos"]
    shown = [len(np.unique(scored.group[column == 1])) for column in scored.labels.T]
    rare = [name for name, n in zip(scored.au_names, shown, strict=True) if n < FEW_UNITS]
    if not rare:
        return []
    return [f"active in fewer than {FEW_UNITS} videos, so that intervals are too narrow: {', '.join(rare)}"]


def _scored(
    predictions: Sequence[str],
    labels: Sequence[DataSpec],
    settings: EvalSettings,
    say: Callable[[str], object],
) -> tuple[list[Scored], list[str]]:
    models = [_model(name) for name in predictions]
    if settings.against is not None and (len(models) == 2 or None in models):
        raise UsageError("--against compares two precisions of one model: expected one model, and no results")
    truths = [read_truth(spec) for spec in labels] if None in models else []
    index = read_pictures(labels, say) if any(models) else None
    scored: list[Scored] = []
    notes: list[str] = []
    for name, model in zip(predictions, models, strict=True):
        if model is not None:
            assert index is not None
            scored += [score_pictures(model, index, run, settings.image_rate, say) for run in settings.runs]
        else:
            found, more = read_scored(Path(name), truths)
            scored.append(found)
            notes += [f"{escape(name)}: {line}" for line in more]
    if settings.against is not None:
        pairs = zip(scored, settings.runs, strict=True)
        return [replace(s, name=f"{s.name} {run.precision}") for s, run in pairs], notes
    return _told_apart(scored, predictions), notes


def _model(name: str) -> Model | None:
    """The model of that name; None where there are results files."""
    path = Path(name)
    if name in packaged_models() or any((path / file).is_file() for file in (MODEL_FILE, ENSEMBLE_FILE)):
        return load_model(name)
    if not path.exists():
        raise UsageError(
            f"{escape(name)}: expected a folder of results (`autrt infer`), a model folder, or a packaged model's "
            f"name ({', '.join(packaged_models())}); found nothing of that name"
        )
    return None


def _told_apart(scored: Sequence[Scored], predictions: Sequence[str]) -> list[Scored]:
    """Named by their model; by what the user called them where that is one name twice."""
    if len({s.name for s in scored}) == len(scored):
        return list(scored)
    if len(set(predictions)) < len(predictions):
        raise UsageError(f"{escape(predictions[0])} is named twice: expected two sets of predictions")
    return [replace(s, name=name) for s, name in zip(scored, predictions, strict=True)]
