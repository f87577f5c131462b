"""Stops a run whose loss is not finite or diverges, before the weights change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

from autrt_train.types import I64, Index, TrainingError

FIRST_STEPS = 20
"""Number of steps whose median loss later ones are compared with."""

NAMED = 3
"""Number of the batch's pictures that the message names."""


class DivergenceGuard:
    """Checks the loss of every step for divergence.

    Args:
        limit: a loss above this multiple of the first steps' median is divergence.
        index: gives the pictures' names.
    """

    def __init__(self, limit: float, index: Index) -> None:
        self._limit, self._index = limit, index
        self._first: list[float] = []

    def check(self, facts: Mapping[str, float], step: int, rows: I64) -> None:
        """Check one step's losses.

        Args:
            facts: name → value of each term and of their sum, "loss".
            step: its number, from 0.
            rows: (B,) of the batch.

        Raises:
            TrainingError: a term is not finite, or the loss diverges; names the step, the pictures and remedies.
        """
        for name, value in facts.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"step {step + 1}: {name} is {value}. {self._batch(rows)} The weights are those of the step "
                    "before. Lower optimiser.lr, set optimiser.clip_norm, or (with fp16) use bf16 or f32; if it "
                    "comes at the same step again, look at these pictures' labels"
                )
        loss = facts["loss"]
        if len(self._first) < FIRST_STEPS:
            self._first.append(loss)
        usual = max(median(self._first), 1e-6)
        if loss > self._limit * usual:
            raise TrainingError(
                f"step {step + 1}: the loss has run away: {loss:.4g}, {loss / usual:.3g} times that of the first "
                f"steps. {self._batch(rows)} Lower optimiser.lr or set optimiser.clip_norm"
            )

    def _batch(self, rows: I64) -> str:
        names = ", ".join(str(self._index.path(int(row))) for row in rows[:NAMED])
        return f"The batch begins with {names}."

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"first": list(self._first)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._first = list(state["first"])
