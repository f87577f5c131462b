"""A teacher's outputs for the pictures of an index, computed once and cached in the user's cache folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

import numpy as np

from autrt.model.digest import json_digest
from autrt.run.signals import Signals
from autrt.storage.cache import CacheFolder, cache_dir
from autrt.types import F32, I64
from autrt_train.model_outputs import FEATURES, LANDMARKS, LOGITS, PRESENCE
from autrt_train.stop_request import StopRequest
from autrt_train.teacher.chunked_arrays import ChunkedArrays
from autrt_train.teacher.picture_digest import pictures_digest
from autrt_train.teacher.picture_targets import ConcatenatedRows, PictureTargets
from autrt_train.teacher.teacher import Teacher
from autrt_train.types import Index, TrainingError

CHUNK: Final = 8
"""Largest number of batches between two writes: what a killed run loses."""
LOG_EVERY_S: Final = 10.0
"""Longest time between two writes and log lines."""


def compute_targets(
    teacher: Teacher,
    index: Index,
    columns: I64,
    stop_request: StopRequest,
    log: Callable[[str], object],
    *,
    features: bool,
) -> PictureTargets:
    """Return a teacher's outputs for every picture without augmentation, from the cache or computed now.

    A run that was killed continues after the last row in the cache. The cache is named by the digests of the
    teacher and the pictures; of several processes one computes while the others wait.

    Args:
        teacher: opened only if rows are missing.
        index: at least one picture.
        columns: (A,) from `Teacher.columns`.
        stop_request: checked after every batch.
        log: called with lines about the progress.
        features: include the teacher's features; they are cached either way.

    Raises:
        DataError: a picture cannot be read.
        EngineError: an engine cannot run here.
        TrainingError: the teacher gives NaN.
        StoppedError: the run was asked to stop.
        DiskFullError, ResultsError: the cache cannot be written.
    """
    name = json_digest({"teacher": teacher.digest, "pictures": pictures_digest(index)})[:32]
    folder = cache_dir() / "teachers" / name
    shapes = teacher.shapes()
    with CacheFolder(folder).lock():
        store = ChunkedArrays(folder, shapes, len(index))
        if store.done < len(index):
            with Signals(stop_request.ask):
                _fill(store, teacher, index, stop_request, log)
    found = {key: ConcatenatedRows([array]) for key, array in store.arrays().items()}
    return PictureTargets(
        teacher_logits=found[LOGITS],
        columns=columns,
        features=found.get(FEATURES) if features else None,
        landmarks=found.get(LANDMARKS),
        presence=found.get(PRESENCE),
    )


def _fill(
    store: ChunkedArrays,
    teacher: Teacher,
    index: Index,
    stop_request: StopRequest,
    log: Callable[[str], object],
) -> None:
    first = store.done
    log(f"the teacher {teacher.model.name} runs on {len(index) - first} pictures")
    start_s = logged_s = time.monotonic()
    with closing(teacher.infer_index(index, first)) as batches:
        waiting: list[dict[str, F32]] = []
        for outputs in batches:
            waiting.append(_finite(teacher, outputs))
            now_s = time.monotonic()
            due = now_s - logged_s > LOG_EVERY_S
            if due or len(waiting) == CHUNK:
                _write(store, waiting)
            if due:
                logged_s = now_s
                rate = (store.done - first) / (now_s - start_s)
                log(f"the teacher: {store.done} of {len(index)} pictures, {rate:.0f} pictures/s")
            stop_request.check()
        if waiting:
            _write(store, waiting)


def _write(store: ChunkedArrays, waiting: list[dict[str, F32]]) -> None:
    store.write({name: np.concatenate([one[name] for one in waiting]) for name in waiting[0]})
    waiting.clear()


def _finite(teacher: Teacher, outputs: dict[str, F32]) -> dict[str, F32]:
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise TrainingError(
                f"the teacher {teacher.model.name!r} gives {name} that are no finite numbers: check its folder "
                "with `autrt build-engine`"
            )
    return outputs
