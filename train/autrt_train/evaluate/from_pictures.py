"""Predictions of annotated pictures: a model run through its engines over aligned crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np

from autrt.config import InferSettings
from autrt.engine.cpu import available_cores
from autrt.ensemble import combine
from autrt.model.folder import Model
from autrt.networks import open_members
from autrt.results.names import escape
from autrt.types import F32, I32, U8, Engine
from autrt_train.annotations.check import require_template
from autrt_train.annotations.folds import groups
from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.evaluate.scored import Scored, Timed, smoothed_by
from autrt_train.evaluate.truth import MAIN_FACE
from autrt_train.join import join
from autrt_train.loading.augment import AugmentConfig, draw_batch
from autrt_train.loading.loader import open_loader
from autrt_train.types import DataError, Draw, Index

BATCH: Final = 128
"""Pictures that are read at a time."""


def read_pictures(specs: Sequence[DataSpec], say: Callable[[str], object]) -> Index:
    """The pictures of some data sets as one index, by video and frame.

    Raises:
        DataError: they are missing or wrong, or have no AU label.
    """
    parts: list[Index] = []
    for spec in specs:
        index, findings = read_data(spec)
        for line in findings.lines():
            say(f"{spec.kind} {escape(str(spec.root))}: {line}")
        parts.append(index)
    names = tuple(dict.fromkeys(name for part in parts for name in part.label_names))
    index = join([_au_labels(part, names) for part in parts])
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
    logit = _logits(model, index, settings)[:, at]
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


def _logits(model: Model, index: Index, settings: InferSettings) -> F32:
    """(N, A) float32."""
    cores = available_cores()
    with ExitStack() as opened:
        loader = opened.enter_context(closing(open_loader("opencv", index, threads=cores)))
        engines = open_members(model, settings, cores)
        for engine in engines:
            if engine is not None:
                opened.enter_context(closing(engine))
        batches = opened.enter_context(closing(loader.load(_draws(index))))
        shape = (len(model.members), len(model.au_names))
        parts = [
            combine(_member_logits(engines, np.asarray(b.pixels), shape), model.weights) for b in batches
        ]
    return np.concatenate(parts)


def _member_logits(engines: Sequence[Engine | None], pixels: U8, shape: tuple[int, int]) -> F32:
    """(B, M, A) float32; NaN for members that are not run."""
    out = np.full((len(pixels), *shape), np.nan, np.float32)
    for member, engine in enumerate(engines):
        if engine is not None:
            out[:, member] = engine.infer({"pixels": pixels})["logits"]
    return out


def _draws(index: Index) -> Iterator[Draw]:
    """The pictures as they are."""
    rows = np.arange(len(index), dtype=np.int64)
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        yield draw_batch(some, some, 0, 0, AugmentConfig.none(), index.margin_px)


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
