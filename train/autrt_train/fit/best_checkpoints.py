"""The best checkpoint overall and per AU: which look at the validation data it was, and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from autrt_train.fit.checkpoint import WEIGHTS, save

OVERALL = "overall"
BEST_FILE = "best.json"


def best_weights_path(folder: Path) -> Path:
    """Where the overall best weights of a run's folder lie; for processes that kept no `BestCheckpoints` of their own."""
    return folder / json.loads((folder / BEST_FILE).read_text())[OVERALL]["weights"]


@dataclass(slots=True)
class BestCheckpoints:
    """Looks are numbered from 1; a later one must be strictly better to replace an earlier one.

    `best.json` maps "overall" and every AU to its look; `weights/NNNN.pt` holds the state dicts of those looks
    alone, so that the paper's choice of the best checkpoint per AU costs little disk.
    """

    folder: Path
    scores: dict[str, float] = field(default_factory=dict[str, float])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def consider(self, number: int, scores: Mapping[str, float], weights: Mapping[str, Tensor]) -> list[str]:
        """Keep the weights if any score is the best so far.

        Args:
            number: its number.
            scores: OVERALL and AU name → score, higher is better; NaN never wins.
            weights: a network's state dict.

        Returns:
            The names whose best this is.

        Raises:
            DiskFullError: the weights cannot be saved.
        """
        won = [name for name, score in scores.items() if score > self.scores.get(name, float("-inf"))]
        if not won and self.numbers:
            return []
        won = won or [OVERALL]
        save(self.weights_of(number), {"state_dict": dict(weights)})
        for name in won:
            self.scores[name], self.numbers[name] = scores.get(name, float("nan")), number
        self._write()
        return won

    def weights_of(self, number: int) -> Path:
        """Where a look's weights lie."""
        return self.folder / WEIGHTS / f"{number:04d}.pt"

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"scores": dict(self.scores), "looks": dict(self.numbers)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.scores, self.numbers = dict(state["scores"]), dict(state["looks"])

    def _write(self) -> None:
        facts = {
            name: {"look": number, "score": self.scores[name], "weights": f"{WEIGHTS}/{number:04d}.pt"}
            for name, number in self.numbers.items()
        }
        scratch = self.folder / f".{BEST_FILE}.part"
        scratch.write_text(json.dumps(facts, indent=1) + "\n")
        scratch.replace(self.folder / BEST_FILE)

    def delete_unused(self) -> None:
        """Delete weights that are no longer anybody's best; only once a checkpoint no longer speaks of them."""
        kept = {self.weights_of(number) for number in self.numbers.values()}
        for path in (self.folder / WEIGHTS).glob("*.pt"):
            if path not in kept:
                path.unlink()
