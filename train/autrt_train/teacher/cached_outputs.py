"""A teacher's outputs for the pictures of an index: computed once, and kept in the user's cache folder."""

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
from autrt_train.halt import Halt
from autrt_train.model_outputs import FEATURES, LANDMARKS, LOGITS, PRESENCE
from autrt_train.teacher.chunked_arrays import Store
from autrt_train.teacher.picture_digest import pictures_digest
from autrt_train.teacher.picture_targets import Joined, Taught
from autrt_train.teacher.teacher import Teacher
from autrt_train.types import Index, TrainingError

CHUNK: Final = 8
"""Batches between two writes, at most: what a kill costs."""
TELL_EVERY_S: Final = 10.0
"""A slow teacher's answers are written as often."""


def teach(
    teacher: Teacher, index: Index, columns: I64, halt: Halt, say: Callable[[str], object], *, features: bool
) -> Taught:
    """Ask a teacher about every picture as it is, without augmentation.

    What is in the cache is not asked again, and a run that was killed goes on where it was. The cache is named by
    the teacher's digest and the pictures'; of several processes one asks while the others wait.

    Args:
        teacher: is opened only where something is lacking.
        index: at least one picture.
        columns: (A,) from `Teacher.columns`.
        halt: looked at after every batch.
        say: told how far it is.
        features: whether anybody wants its features; they are kept in the cache either way.

    Raises:
        DataError: a picture cannot be read.
        EngineError: an engine cannot run here.
        TrainingError: the teacher gives NaN.
        StoppedError: `halt` was asked.
        DiskFullError, ResultsError: the cache cannot be written.
    """
    name = json_digest({"teacher": teacher.digest, "pictures": pictures_digest(index)})[:32]
    folder = cache_dir() / "teachers" / name
    shapes = teacher.shapes()
    with CacheFolder(folder).lock():
        store = Store(folder, shapes, len(index))
        if store.done < len(index):
            with Signals(halt.ask):
                _fill(store, teacher, index, halt, say)
    found = {key: Joined([array]) for key, array in store.arrays().items()}
    return Taught(
        found[LOGITS],
        columns,
        found.get(FEATURES) if features else None,
        found.get(LANDMARKS),
        found.get(PRESENCE),
    )


def _fill(store: Store, teacher: Teacher, index: Index, halt: Halt, say: Callable[[str], object]) -> None:
    first = store.done
    say(f"the teacher {teacher.model.name} looks at {len(index) - first} pictures")
    start_s = told_s = time.monotonic()
    with closing(teacher.over(index, first)) as answers:
        waiting: list[dict[str, F32]] = []
        for answer in answers:
            waiting.append(_finite(teacher, answer))
            now_s = time.monotonic()
            due = now_s - told_s > TELL_EVERY_S
            if due or len(waiting) == CHUNK:
                _write(store, waiting)
            if due:
                told_s = now_s
                rate = (store.done - first) / (now_s - start_s)
                say(f"the teacher: {store.done} of {len(index)} pictures, {rate:.0f} pictures/s")
            halt.check()
        if waiting:
            _write(store, waiting)


def _write(store: Store, waiting: list[dict[str, F32]]) -> None:
    store.write({name: np.concatenate([one[name] for one in waiting]) for name in waiting[0]})
    waiting.clear()


def _finite(teacher: Teacher, answers: dict[str, F32]) -> dict[str, F32]:
    for name, values in answers.items():
        if not np.isfinite(values).all():
            raise TrainingError(
                f"the teacher {teacher.model.name!r} gives {name} that are no finite numbers: check its folder "
                "with `autrt build-engine`"
            )
    return answers
