"""A teacher: any model, run by its engines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version

import numpy as np

from autrt.engine.open import resolve_engine
from autrt.machine import instruction_set
from autrt.model.digest import json_digest
from autrt.model.folder import load_model
from autrt.pipeline.open_networks import AU_BATCH
from autrt.settings import InferSettings
from autrt.types import I64
from autrt_train.model_outputs import ModelRunner
from autrt_train.recipe import DistillSettings
from autrt_train.types import DataError


@dataclass(frozen=True, slots=True)
class Teacher(ModelRunner):
    """A model whose outputs are targets."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all that decides the outputs: networks, weights, engine, version, device."""
        engine, device = self.settings.engine, self.settings.device
        library = packages_distributions().get(engine, [engine])[0]
        return json_digest(
            {
                "networks": self.model.network_digests,
                "weights": self.model.weights.tolist(),
                "engine": engine,
                "version": version(library),
                "precision": self.settings.precision,
                "device": instruction_set() if device == "cpu" else device,
                "batch": AU_BATCH,
            }
        )

    def columns(self, au_names: Sequence[str], asked: Collection[str] | None = None) -> I64:
        """Return the teacher's column of each AU, (A,) int64; −1 where it lacks the AU or does not teach it.

        Args:
            au_names: (A,) AUs of the student.
            asked: AUs with soft targets; None: all.

        Raises:
            DataError: the teacher has none of them.
        """
        at = {name: i for i, name in enumerate(self.model.au_names) if asked is None or name in asked}
        found = np.array([at.get(name, -1) for name in au_names], np.int64)
        if (found < 0).all():
            raise DataError(
                f"the teacher {self.model.name!r} has none of the AUs that it is asked about: expected some of "
                f"{', '.join(au_names if asked is None else asked)}, found {', '.join(self.model.au_names)}"
            )
        return found


def read_teacher(settings: DistillSettings) -> Teacher:
    """Read the teacher that a recipe names.

    Raises:
        DataError: the recipe names no teacher.
        UsageError: there is no such model, or it is damaged.
    """
    if not settings.teacher:
        raise DataError(
            "the recipe names no teacher: expected a model's or an ensemble's folder, or a packaged model's name: "
            "--teacher MODEL, or --set distill.teacher=MODEL; or other tools' values: --targets TABLE"
        )
    engine, device = resolve_engine(settings.engine, settings.device)
    return Teacher(
        load_model(settings.teacher),
        InferSettings(engine=engine, precision=settings.precision, device=device),
    )
