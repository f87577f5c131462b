"""A teacher: any model, run through its engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version

import numpy as np

from autrt.config import InferSettings
from autrt.engine.cpu import available_cores, instruction_set
from autrt.engine.open import resolve_engine
from autrt.ensemble import combine, used_members
from autrt.model.digest import json_digest
from autrt.model.folder import Member, Model, load_model
from autrt.networks import AU_BATCH, open_members
from autrt.types import F32, I64, U8, Engine
from autrt_train.recipe import DistillSettings
from autrt_train.types import DataError

LOGITS, FEATURES, LANDMARKS, PRESENCE = "logits", "features", "landmarks", "presence"


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model and how it is run. Of an ensemble, members that no AU uses are not run.

    `logits` are the ensemble's, `features` those of all members one after the other, `landmarks` and `presence`
    those of the first member that has them, as everywhere.
    """

    model: Model
    settings: InferSettings

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that decides its outputs: networks, weights, engine, version, device."""
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

    @property
    def members(self) -> list[Member]:
        """Those that are run."""
        used = used_members(self.model.weights)
        return [member for member, runs in zip(self.model.members, used, strict=True) if runs]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Output → shape of one row."""
        told = [{spec.name: spec.shape for spec in member.outputs} for member in self.members]
        out: dict[str, tuple[int, ...]] = {LOGITS: (len(self.model.au_names),)}
        if width := sum(int(np.prod(shapes[FEATURES])) for shapes in told if FEATURES in shapes):
            out[FEATURES] = (width,)
        for name in (LANDMARKS, PRESENCE):
            if known := [shapes[name] for shapes in told if name in shapes]:
                out[name] = known[0]
        return out

    def columns(self, au_names: Sequence[str]) -> I64:
        """(A,) int64 its own column of each AU; −1 where it does not know the AU.

        Raises:
            DataError: it knows none of them.
        """
        at = {name: i for i, name in enumerate(self.model.au_names)}
        found = np.array([at.get(name, -1) for name in au_names], np.int64)
        if (found < 0).all():
            raise DataError(
                f"the teacher {self.model.name!r} has none of the AUs that are learnt: expected some of "
                f"{', '.join(au_names)}, found {', '.join(at)}"
            )
        return found

    def open(self) -> list[Engine | None]:
        """Its members' engines, which are the caller's to close.

        Raises:
            EngineError: an engine cannot run here.
        """
        return open_members(self.model, self.settings, available_cores())

    def answer(self, engines: Sequence[Engine | None], pixels: U8) -> dict[str, F32]:
        """What it says about some crops.

        Args:
            engines: from `open`.
            pixels: (B, 112, 112, 3) uint8 RGB.

        Returns:
            Output → float32 (B, …), as `shapes` has it.
        """
        logits = np.full((len(pixels), len(engines), len(self.model.au_names)), np.nan, np.float32)
        told: list[dict[str, F32]] = []
        for member, engine in enumerate(engines):
            if engine is not None:
                told.append(engine.infer({"pixels": pixels}))
                logits[:, member] = told[-1][LOGITS]
        out = {LOGITS: combine(logits, self.model.weights)}
        features = [one[FEATURES].reshape(len(pixels), -1) for one in told if FEATURES in one]
        if features:
            out[FEATURES] = np.concatenate(features, axis=1)
        for name in (LANDMARKS, PRESENCE):
            if known := [one[name] for one in told if name in one]:
                out[name] = known[0]
        return out


def read_teacher(settings: DistillSettings) -> Teacher:
    """The teacher that a recipe names.

    Raises:
        DataError: it names none.
        UsageError: there is no such model, or it is damaged.
    """
    if not settings.teacher:
        raise DataError(
            "the recipe names no teacher: expected a model's or an ensemble's folder, or a packaged model's name: "
            "--teacher MODEL, or --set distill.teacher=MODEL"
        )
    engine, device = resolve_engine(settings.engine, settings.device)
    return Teacher(
        load_model(settings.teacher),
        InferSettings(engine=engine, precision=settings.precision, device=device),
    )
