"""Writing of calibrated thresholds and windows into a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.errors import UsageError
from autrt.model.folder import Model, load_model
from autrt.model.schema import Metric, description_path, read_description, write_json
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import escape
from autrt_train.evaluate.bootstrap import LEVEL
from autrt_train.evaluate.calibrate import OWN, Calibration
from autrt_train.evaluate.scores import headline_metrics

ABOUT: Final = "calibration on "
"""Prefix of the metrics of a calibration; a new calibration replaces them."""


def require_same_network(folder: Path, network_digests: Sequence[str], temporal_digest: str = "") -> Model:
    """Return the model in a folder if its networks, and its temporal network if any, made the predictions.

    Raises:
        UsageError: the folder holds another model, or none.
    """
    model = load_model(folder)
    temporal = "" if model.temporal is None else model.temporal.file.sha256
    if (model.network_digests, temporal) != (tuple(network_digests), temporal_digest):
        raise UsageError(
            f"{escape(str(folder))} holds another network than the one whose predictions were calibrated: "
            "thresholds and windows of one are of no use to the other; run `autrt infer --model` with this folder "
            "first"
        )
    return model


def write_calibration(folder: Path, calibration: Calibration, data: str) -> Model:
    """Write the parameters found on all data into the folder's `model.json` or `ensemble.json`, in one step.

    AUs without labels keep their thresholds, windows and grades; the others become ungraded.

    Args:
        folder: of the model.
        calibration: the result to write.
        data: description of the data it was found on.

    Returns:
        The changed model; its digest differs, its networks' digests do not.

    Raises:
        UsageError: there is no model.
        DiskFullError, ResultsError: it cannot be written.
    """
    file = read_description(folder)
    found = calibration.found
    chosen = zip(found.thresholds.tolist(), found.windows.tolist(), strict=True)
    new = dict(zip(calibration.au_names, chosen, strict=True))
    own = zip(file.thresholds, file.smoothing_windows, strict=True)
    whole = [new.get(au, old) for au, old in zip(file.au_names, own, strict=True)]
    kept = [metric for metric in file.metrics if not metric.data_set.startswith(ABOUT)]
    content: dict[str, Any] = {
        **file.model_dump(),
        "thresholds": [round(float(threshold), 4) for threshold, _ in whole],
        "smoothing_windows": [window for _, window in whole],
        "metrics": [*kept, *_metrics(calibration, data)],
        # A grade rests on decisions at the old threshold.
        "grades": {au: grade for au, grade in file.grades.items() if au not in new},
    }
    with replacing(description_path(folder)) as part:
        write_json(part, type(file), **content)
    return load_model(folder)


def _metrics(calibration: Calibration, data: str) -> list[Metric]:
    about = (
        f"{ABOUT}{data}: held out, chosen on the other {calibration.folds - 1} of {calibration.folds} folds of "
        f"{calibration.n_groups} people or videos; the {calibration.method} of this file were then chosen on "
        "all of them"
    )
    names, gain = calibration.au_names, calibration.gain(OWN)
    gains = [
        _as_gain(metric, *(float(end[-1]) for end in gain[metric.name].interval()))
        for metric in headline_metrics(gain, names, f"{about}; less {OWN} values before")
    ]
    return [*headline_metrics(calibration.held_out[calibration.method], names, about), *gains]


def _as_gain(metric: Metric, low: float, high: float) -> Metric:
    """Return a difference named as a gain, with the interval of its mean unless that is NaN."""
    interval = "" if np.isnan(low) else f"; {LEVEL:.0%} interval of the mean {low:+.4f} to {high:+.4f}"
    changes = {"name": f"{metric.name} gain", "data_set": metric.data_set + interval}
    return metric.model_copy(update=changes)
