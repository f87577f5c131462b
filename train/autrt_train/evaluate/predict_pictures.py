"""Predictions for annotated pictures: runs a model over aligned crops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np

from autrt.engine.temporal import TemporalEngine
from autrt.model.folder import Model, Temporal
from autrt.postprocess.ensemble import sigmoid
from autrt.postprocess.temporal import temporal_logits
from autrt.settings import InferSettings
from autrt.types import F32, I32
from autrt_train.annotations.check import require_template
from autrt_train.annotations.folds import groups
from autrt_train.annotations.read import DataSpec, read_and_report
from autrt_train.evaluate.ground_truth import MAIN_FACE
from autrt_train.evaluate.labelled_predictions import LabelledPredictions, TrackSeries, smooth_with
from autrt_train.join_indices import join_indices
from autrt_train.model_outputs import FEATURES, LOGITS, ModelRunner
from autrt_train.smooth_pictures import frame_order
from autrt_train.types import DataError, Index


def read_pictures(specs: Sequence[DataSpec], log: Callable[[str], object]) -> Index:
    """Return the pictures of several data sets as one index, ordered by video and frame.

    Raises:
        DataError: data are missing or invalid, or have no AU label.
    """
    parts = [read_and_report(spec, log) for spec in specs]
    names = tuple(dict.fromkeys(name for part in parts for name in part.label_names))
    index = join_indices([_au_labels(part, names) for part in parts])
    if not len(index) or not names:
        raise DataError("expected pictures with AU labels, found none")
    return index.take(np.lexsort((index.frame, index.video)))


def predict_pictures(
    model: Model, index: Index, settings: InferSettings, rate: Fraction | None, log: Callable[[str], object]
) -> LabelledPredictions:
    """Run a model over pictures.

    Args:
        model: members that no AU uses are not run.
        index: the pictures, ordered by video and frame.
        settings: engine, precision and device.
        rate: frames per second of consecutive pictures; None: the pictures have no order in time.
        log: receives a line at the start.

    Raises:
        DataError: pictures cannot be read, have no label of the model's AUs, or follow another template.
        EngineError: an engine cannot run here.
    """
    require_template(index, model.template, f"the model {model.name!r}")
    names = tuple(name for name in model.au_names if name in index.label_names)
    if not names:
        raise DataError(
            f"the labels have none of the model's AUs: expected some of {', '.join(model.au_names)}, "
            f"found {', '.join(index.label_names)}"
        )
    index = index.with_labels(names)
    log(f"{model.name}: {len(index)} pictures")
    at = [model.au_names.index(name) for name in names]
    with closing(ModelRunner(model, settings).infer_index(index)) as answers:
        found = _whole(answers, model)
    logit = found[LOGITS][:, at]
    windows = model.smoothing_windows[at]
    series = None if rate is None else _series(index, logit, rate)
    if series is not None and model.temporal is not None:
        series.smoothed[:] = _temporal(model.temporal, found, index, series)[:, at]
    elif series is not None:
        series.smoothed[:] = smooth_with(series, index.video, model.smoothing_domain, windows.tolist())
    return LabelledPredictions(
        name=model.name,
        au_names=names,
        labels=index.labels,
        logit=logit,
        video=index.video,
        video_names=index.video_names,
        group=groups(index),
        frame=index.frame.astype(np.int64),
        face=_faces(index),
        thresholds=model.thresholds[at],
        windows=windows,
        domain=model.smoothing_domain,
        network_digests=model.network_digests,
        temporal_digest="" if model.temporal is None or series is None else model.temporal.file.sha256,
        series=series,
    )


def _whole(answers: Iterable[dict[str, F32]], model: Model) -> dict[str, F32]:
    """Return the outputs of all pictures that are needed: logits, and what a temporal network sees."""
    wanted = [LOGITS, *([FEATURES] if model.temporal is not None and model.temporal.n_features else [])]
    parts = [{name: answer[name] for name in wanted} for answer in answers]
    return {name: np.concatenate([part[name] for part in parts]) for name in wanted}


def _temporal(temporal: Temporal, found: dict[str, F32], index: Index, series: TrackSeries) -> F32:
    """Return (N, A) float32 probabilities by the temporal network, which sees the first network's features."""
    engine = TemporalEngine(temporal)
    out = np.empty_like(found[LOGITS])
    for video in np.unique(index.video):
        rows = np.flatnonzero(index.video == video)
        features = found[FEATURES][rows, : temporal.n_features] if temporal.n_features else None
        times, interval_s = series.time_s[rows], float(series.interval_s[rows[0]])
        track = series.track[rows]
        out[rows] = temporal_logits(engine, found[LOGITS][rows], features, track, times, interval_s)
    return sigmoid(out)


def _au_labels(index: Index, names: tuple[str, ...]) -> Index:
    return replace(index.with_labels(names), targets=None, classes=None, class_names=())


def _series(index: Index, logit: F32, rate: Fraction) -> TrackSeries:
    n = len(index)
    frame_order(index)
    return TrackSeries(
        logit=logit,
        smoothed=np.empty_like(logit),
        track=np.zeros(n, np.int32),
        time_s=index.frame / float(rate),
        interval_s=np.full(n, float(1 / rate)),
    )


def _faces(index: Index) -> I32:
    """Return (N,) int32: each picture's number among those of its frame, from `MAIN_FACE` on."""
    new = np.ones(len(index), bool)
    new[1:] = (np.diff(index.video) != 0) | (np.diff(index.frame) != 0)
    starts = np.flatnonzero(new)
    return (np.arange(len(index)) - starts[np.cumsum(new) - 1] + MAIN_FACE).astype(np.int32)
