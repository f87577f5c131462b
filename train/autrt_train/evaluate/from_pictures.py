"""Predictions of annotated pictures: a model run through its engines over aligned crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np

from autrt.model.folder import Model
from autrt.settings import InferSettings
from autrt.storage.escape import escape
from autrt.types import F32, I32
from autrt_train.annotations.check import require_template
from autrt_train.annotations.folds import groups
from autrt_train.annotations.read import DataSpec, read_telling
from autrt_train.evaluate.scored import Scored, Timed, smoothed_by
from autrt_train.evaluate.truth import MAIN_FACE
from autrt_train.join_indices import join_indices
from autrt_train.model_outputs import LOGITS, ModelRunner
from autrt_train.types import DataError, Index


def read_pictures(specs: Sequence[DataSpec], say: Callable[[str], object]) -> Index:
    """The pictures of some data sets as one index, by video and frame.

    Raises:
        DataError: they are missing or wrong, or have no AU label.
    """
    parts = [read_telling(spec, say) for spec in specs]
    names = tuple(dict.fromkeys(name for part in parts for name in part.label_names))
    index = join_indices([_au_labels(part, names) for part in parts])
    if not len(index) or not names:
        raise DataError("expected pictures with AU labels, found none")
    return index.take(np.lexsort((index.frame, index.video)))


def score_pictures(
    model: Model, index: Index, settings: InferSettings, rate: Fraction | None, say: Callable[[str], object]
) -> Scored:
    """Run a model over pictures.

    Args:
        model: its members that no AU uses are not run.
        index: the pictures, ordered by video and frame.
        settings: engine, precision and device.
        rate: frames a second, where a video's pictures follow each other; None: they have no order in time.
        say: told that it begins.

    Raises:
        DataError: pictures cannot be read, or have no label of the model's AUs or another alignment.
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
    say(f"{model.name}: {len(index)} pictures")
    at = [model.au_names.index(name) for name in names]
    with closing(ModelRunner(model, settings).infer_index(index)) as answers:
        logit = np.concatenate([answer[LOGITS] for answer in answers])[:, at]
    windows = model.smoothing_windows[at]
    timed = None if rate is None else _timed(index, logit, rate)
    if timed is not None:
        timed.smoothed[:] = smoothed_by(timed, index.video, model.smoothing_domain, windows.tolist())
    return Scored(
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
        timed=timed,
    )


def _au_labels(index: Index, names: tuple[str, ...]) -> Index:
    return replace(index.with_labels(names), targets=None, classes=None, class_names=())


def _timed(index: Index, logit: F32, rate: Fraction) -> Timed:
    n = len(index)
    _refuse_doubles(index)
    return Timed(
        judged=logit,
        smoothed=np.empty_like(logit),
        track=np.zeros(n, np.int32),
        time_s=index.frame / float(rate),
        interval_s=np.full(n, float(1 / rate)),
    )


def _refuse_doubles(index: Index) -> None:
    double = (np.diff(index.video) == 0) & (np.diff(index.frame) == 0)
    if double.any():
        row = int(np.argmax(double))
        raise DataError(
            f"{escape(str(index.path(row)))} and {escape(str(index.path(row + 1)))} are of one frame: only "
            "pictures of one face a video can be smoothed; leave --image-rate out, or give each track a video of "
            "its own"
        )


def _faces(index: Index) -> I32:
    """(N,) int32 the how-manieth picture of its frame each is, the first being `MAIN_FACE`."""
    new = np.ones(len(index), bool)
    new[1:] = (np.diff(index.video) != 0) | (np.diff(index.frame) != 0)
    starts = np.flatnonzero(new)
    return (np.arange(len(index)) - starts[np.cumsum(new) - 1] + MAIN_FACE).astype(np.int32)
