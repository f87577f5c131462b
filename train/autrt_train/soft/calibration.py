"""Calibration of a tool's values to probabilities: isotonic regression for each AU, fitted on coded pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from autrt.storage.escape import escape
from autrt.types import F32, I64
from autrt_train.labels.agreement import combine_coders, to_labels
from autrt_train.labels.coding import NO_FRAME, NO_TRACK, Coding
from autrt_train.labels.path_ends import PathEnds
from autrt_train.labels.read import LabelSettings, read_labels
from autrt_train.soft.settings import TargetSettings
from autrt_train.soft.tools import AUTRT
from autrt_train.soft.values import Values
from autrt_train.types import I8, MISSING, DataError

LOW_AUC: Final = 0.6
"""AUC on coded pictures below which the log advises to leave an AU out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Data behind the calibration of one AU."""

    au: str
    positives: int
    negatives: int
    auc: float
    """Of the values on the coded pictures."""

    def __str__(self) -> str:
        note = ", hardly better than chance: leave it out (au_names)" if self.auc < LOW_AUC else ""
        return f"{self.au} {self.positives} with and {self.negatives} without, AUC {self.auc:.2f}{note}"


def calibrate_values(
    tool: str, values: Values, settings: TargetSettings, log: Callable[[str], object]
) -> F32:
    """Calibrate values to probabilities by isotonic regression (Zadrozny and Elkan 2002).

    The regression is fitted on the coded rows and is constant outside their range. Results of `autrt infer`, which
    are probabilities, are only clipped if no label files are given.

    Args:
        tool: name of the tool.
        values: (N, A), of coded and other pictures.
        settings: label files, and the number of codes required.
        log: called with the counts behind each AU's calibration.

    Returns:
        (N, A) float32, within `settings.clip` of 0 and 1; NaN where the tool has no value.

    Raises:
        DataError: an AU has too few coded rows.
    """
    low, high = settings.clip, 1 - settings.clip
    if not settings.coded:
        if tool == AUTRT:
            return np.clip(values.values, low, high)
        raise DataError(
            f"the values of {tool} are no probabilities: expected `coded`, label files of pictures that have "
            "values, to calibrate them on (--coded codes.csv; docs/finetune.md says what such files look like)"
        )
    labels = _labels(values, settings, log)
    out = np.full(values.values.shape, np.nan, np.float32)
    for i, au in enumerate(values.au_names):
        given = ~np.isnan(values.values[:, i])
        rows = given & (labels[:, i] != MISSING)
        _require(au, labels[rows, i], tool, settings)
        curve: Any = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip")
        curve.fit(values.values[rows, i], labels[rows, i])
        out[given, i] = np.clip(curve.predict(values.values[given, i]), low, high)
        n = int((labels[rows, i] == 1).sum())
        auc = float(roc_auc_score(labels[rows, i], values.values[rows, i]))
        log(f"{tool}: {Fit(au=au, positives=n, negatives=int(rows.sum()) - n, auc=auc)}")
    return out


def _require(au: str, labels: I8, tool: str, settings: TargetSettings) -> None:
    counts = [int((labels == value).sum()) for value in (1, 0)]
    if min(counts) < settings.least:
        raise DataError(
            f"{tool}: {au}: expected {settings.least} coded pictures with it and {settings.least} without to "
            f"calibrate its values on, found {counts[0]} and {counts[1]}: code more, leave it out (au_names), or "
            "lower `least`"
        )


def _labels(values: Values, settings: TargetSettings, log: Callable[[str], object]) -> I8:
    """Return (N, A) int8 labels of the rows; `MISSING` for rows without a code."""
    coding, agreement = combine_coders(read_labels(settings.coded, LabelSettings()), settings.threshold)
    if agreement is not None:
        log(str(agreement))
    coding = coding.with_aus(values.au_names)
    rows = _rows(values, coding)
    labels = np.full(values.values.shape, MISSING, np.int8)
    labels[rows[rows >= 0]] = to_labels(coding.codes[rows >= 0], settings.threshold)
    if not (rows >= 0).any():
        raise DataError(
            f"{', '.join(escape(str(path)) for path in settings.coded)}: no coded picture or frame has values: "
            f"expected names such as {escape(str(values.name[0]))}, found {escape(str(coding.video[0]))}"
            if len(values)
            else "the tables of values hold no row"
        )
    return labels


def _rows(values: Values, coding: Coding) -> I64:
    """Return the row of the values for each coded row, or −1."""
    at = {key: row for row, key in enumerate(values.places())}
    ends = PathEnds[str]()
    for name in dict.fromkeys(values.name.tolist()):
        ends.add([name], name)
    out = np.full(len(coding), -1, np.int64)
    keys = zip(coding.video.tolist(), coding.frame.tolist(), coding.track.tolist(), strict=True)
    for row, (video, frame, track) in enumerate(keys):
        if len(hits := ends.find(video)) > 1:
            raise DataError(
                f"the labels' {escape(video)!r} is the name of several files with values: {', '.join(hits[:5])}: "
                "write more of its path"
            )
        for name in hits:
            # Labels of a picture may name the frame of a clip that it was taken from.
            tried = ((name, frame, track), (name, frame, NO_TRACK), (name, NO_FRAME, NO_TRACK))
            out[row] = next((at[key] for key in tried if key in at), -1)
    return out
