"""Outputs of a model's engines for unaugmented pictures."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.machine import available_cores
from autrt.model.folder import Member, Model, used_members
from autrt.pipeline.open_networks import open_members
from autrt.postprocess.ensemble import combine
from autrt.settings import InferSettings
from autrt.types import F32, U8, Engine
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import open_loader
from autrt_train.types import Index

LOGITS, FEATURES, LANDMARKS, PRESENCE = "logits", "features", "landmarks", "presence"

BATCH: Final = 128
"""Pictures read at a time on a CPU."""
GPU_BATCH: Final = 256
"""Pictures read, and run, at a time on a GPU."""


@dataclass(frozen=True, slots=True)
class ModelRunner:
    """A model and the engine settings to run it with. Members of an ensemble that no AU uses are not run.

    Outputs: `logits` are the ensemble's, `features` those of all members concatenated, `landmarks` and `presence`
    those of the first member that has them.
    """

    model: Model
    settings: InferSettings

    @property
    def members(self) -> list[Member]:
        """Members that are run."""
        used = used_members(self.model.weights)
        return [member for member, runs in zip(self.model.members, used, strict=True) if runs]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return output name → shape of one row."""
        outputs = [{spec.name: spec.shape for spec in member.outputs} for member in self.members]
        out: dict[str, tuple[int, ...]] = {LOGITS: (len(self.model.au_names),)}
        if width := sum(int(np.prod(shapes[FEATURES])) for shapes in outputs if FEATURES in shapes):
            out[FEATURES] = (width,)
        for name in (LANDMARKS, PRESENCE):
            if known := [shapes[name] for shapes in outputs if name in shapes]:
                out[name] = known[0]
        return out

    def open(self) -> list[Engine | None]:
        """Open the engines of its members; None for members that are not run. The caller closes them.

        Raises:
            EngineError: an engine cannot run here.
        """
        if self.settings.device == "cpu":
            return open_members(self.model, self.settings, available_cores())
        return open_members(self.model, self.settings, available_cores(), batch=GPU_BATCH)

    def infer(self, engines: Sequence[Engine | None], pixels: U8) -> dict[str, F32]:
        """Run some crops.

        Args:
            engines: from `open`.
            pixels: (B, 112, 112, 3) uint8 RGB.

        Returns:
            Output name → float32 (B, …), with rows as in `shapes`.
        """
        logits = np.full((len(pixels), len(engines), len(self.model.au_names)), np.nan, np.float32)
        outputs: list[dict[str, F32]] = []
        for member, engine in enumerate(engines):
            if engine is not None:
                outputs.append(engine.infer({"pixels": pixels}))
                logits[:, member] = outputs[-1][LOGITS]
        out = {LOGITS: combine(logits, self.model.weights)}
        features = [one[FEATURES].reshape(len(pixels), -1) for one in outputs if FEATURES in one]
        if features:
            out[FEATURES] = np.concatenate(features, axis=1)
        for name in (LANDMARKS, PRESENCE):
            if known := [one[name] for one in outputs if name in one]:
                out[name] = known[0]
        return out

    def infer_index(self, index: Index, first: int = 0) -> Generator[dict[str, F32]]:
        """Yield the outputs for the pictures of an index in order, hundreds at a time.

        Args:
            index: the pictures.
            first: first row.

        Raises:
            DataError: a picture cannot be read.
            EngineError: an engine cannot run here.
        """
        rows = np.arange(first, len(index), dtype=np.int64)
        with ExitStack() as opened:
            loader = opened.enter_context(closing(open_loader("opencv", index, threads=available_cores())))
            engines = self.open()
            for engine in engines:
                if engine is not None:
                    opened.enter_context(closing(engine))
            size = BATCH if self.settings.device == "cpu" else GPU_BATCH
            batches = opened.enter_context(closing(loader.load(unaugmented_draws(index, rows, size))))
            for batch in batches:
                yield self.infer(engines, np.asarray(batch.pixels))
