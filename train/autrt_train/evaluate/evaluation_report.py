"""Output of an evaluation as JSON and as a long table in CSV, each written whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt import __version__
from autrt.storage.atomic_file import replacing
from autrt_train.annotations.read import DataSpec
from autrt_train.evaluate.bootstrap import LEVEL
from autrt_train.evaluate.calibrate import BOTH, NONE, OWN, THRESHOLDS, Calibration, DecisionParameters
from autrt_train.evaluate.evaluation import EvalSettings, Evaluation
from autrt_train.evaluate.scores import MEAN, EvaluatedPredictions, Scores

SCHEMA: Final = "autrt-eval/1"
JSON_FILE, CSV_FILE = "eval.json", "eval.csv"
COLUMNS: Final = ("predictions", "stage", "au", "metric", "value", "low", "high")

GAINS: Final = ((BOTH, NONE), (BOTH, OWN), (THRESHOLDS, NONE), (THRESHOLDS, OWN), (BOTH, THRESHOLDS))
"""Methods that are compared with each other on held-out videos."""


def write_evaluation_report(
    out: Path,
    evaluation: Evaluation,
    predictions: Sequence[str],
    labels: Sequence[DataSpec],
    settings: EvalSettings,
) -> None:
    """Write `eval.json` and `eval.csv` into a folder, replacing earlier ones.

    Raises:
        DiskFullError, ResultsError: they cannot be written.
    """
    whole = to_json(evaluation, predictions, labels, settings)
    with replacing(out / JSON_FILE) as part:
        part.write_text(
            json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    with replacing(out / CSV_FILE) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(evaluation))


def to_json(
    evaluation: Evaluation, predictions: Sequence[str], labels: Sequence[DataSpec], settings: EvalSettings
) -> dict[str, Any]:
    """Return the whole evaluation as JSON values; undefined scores are None."""
    names = evaluation.evaluated[0].predictions.au_names
    return {
        "schema": SCHEMA,
        "autrt": __version__,
        "labels": [spec.model_dump(mode="json", exclude_defaults=True) for spec in labels],
        "intervals": {
            "level": LEVEL,
            "resampled_videos": evaluation.n_groups,
            "times": settings.times,
            "seed": settings.seed,
        },
        "notes": list(evaluation.notes),
        "predictions": [
            _evaluated(evaluated, given)
            for evaluated, given in zip(evaluation.evaluated, predictions, strict=True)
        ],
        "differences": {stage: _scores(scores, names) for stage, scores in evaluation.differences.items()},
        "calibration": None if evaluation.calibration is None else _calibration(evaluation.calibration),
    }


def _evaluated(evaluated: EvaluatedPredictions, given: str) -> dict[str, Any]:
    predictions = evaluated.predictions
    own = DecisionParameters(predictions.thresholds, predictions.windows)
    return {
        "name": evaluated.name,
        "given": given,
        "network_digests": list(predictions.network_digests),
        "videos": len(np.unique(predictions.video)),
        "faces": len(predictions),
        "decisions": _choice(own, predictions.au_names),
        "n": dict(zip(predictions.au_names, evaluated.n.tolist(), strict=True)),
        "stages": {name: _scores(found, predictions.au_names) for name, found in evaluated.stages.items()},
    }


def _calibration(calibration: Calibration) -> dict[str, Any]:
    names = calibration.au_names
    return {
        "folds": calibration.folds,
        "videos": calibration.n_groups,
        "own": _choice(calibration.own, names),
        "found": _choice(calibration.found, names),
        "logit_map": {
            name: {"scale": round(scale, 4), "shift": round(shift, 4)}
            for name, scale, shift in zip(
                names, calibration.logit_map.scale.tolist(), calibration.logit_map.shift.tolist(), strict=True
            )
        },
        "ece": {when: _scores({"ece": found}, names) for when, found in calibration.errors.items()},
        "held_out": {name: _scores(found, names) for name, found in calibration.held_out.items()},
        "gains": [
            {"of": of, "over": over, **_scores(gain, names)}
            for (of, over), gain in _gains(calibration).items()
        ],
    }


def _gains(calibration: Calibration) -> dict[tuple[str, str], Scores]:
    there = [pair for pair in GAINS if set(pair) <= set(calibration.held_out)]
    return {(of, over): calibration.gain(over, of) for of, over in there}


def _choice(choice: DecisionParameters, names: Sequence[str]) -> dict[str, dict[str, float]]:
    pairs = zip(choice.thresholds.tolist(), choice.windows.tolist(), strict=True)
    return {
        name: {"threshold": round(threshold, 4), "window": window}
        for name, (threshold, window) in zip(names, pairs, strict=True)
    }


def _scores(scores: Scores, names: Sequence[str]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return AU or mean → metric → value and interval."""
    out: dict[str, dict[str, dict[str, float | None]]] = {}
    for name, metric, value, low, high in _cells(scores, names):
        out.setdefault(name, {})[metric] = {"value": _plain(value), "low": _plain(low), "high": _plain(high)}
    return out


def _cells(scores: Scores, names: Sequence[str]) -> Iterator[tuple[str, str, float, float, float]]:
    tables = {metric: (found.value, *found.interval()) for metric, found in scores.items()}
    for column, name in enumerate((*names, MEAN)):
        for metric, (value, low, high) in tables.items():
            yield name, metric, float(value[column]), float(low[column]), float(high[column])


def _rows(evaluation: Evaluation) -> Iterator[list[str]]:
    names = evaluation.evaluated[0].predictions.au_names
    for evaluated in evaluation.evaluated:
        yield from _table(evaluated.name, evaluated.stages, evaluated.predictions.au_names)
    if evaluation.differences:
        first, second = evaluation.evaluated
        yield from _table(f"{second.name} - {first.name}", evaluation.differences, names)
    if (calibration := evaluation.calibration) is not None:
        name = evaluation.evaluated[0].name
        held = {f"held out: {how}": found for how, found in calibration.held_out.items()}
        gains = {f"held out: {of} - {over}": gain for (of, over), gain in _gains(calibration).items()}
        yield from _table(name, held | gains, calibration.au_names)
        errors = {f"held out: probabilities {when}": {"ece": e} for when, e in calibration.errors.items()}
        yield from _table(name, errors, calibration.au_names)


def _table(predictions: str, stages: Mapping[str, Scores], names: Sequence[str]) -> Iterator[list[str]]:
    for stage, scores in stages.items():
        for au, metric, *numbers in _cells(scores, names):
            yield [predictions, stage, au, metric, *("" if np.isnan(x) else f"{x:.6g}" for x in numbers)]


def _plain(number: float) -> float | None:
    return None if np.isnan(number) else round(number, 6)
