"""The best checkpoint overall and per AU: the number of its validation, and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from autrt.storage.atomic_file import replacing, sweep
from autrt_train.fit.checkpoint import WEIGHTS, save

OVERALL = "overall"
BEST_FILE = "best.json"


def best_weights_path(folder: Path) -> Path:
    """Return the path of the overall best weights of a run, for processes without `BestCheckpoints`."""
    return folder / json.loads((folder / BEST_FILE).read_text())[OVERALL]["weights"]


@dataclass(slots=True)
class BestCheckpoints:
    """Best weights by validation, numbered from 1. Only a strictly better validation replaces an earlier one.

    `best.json` maps "overall" and every AU to its validation ("look"); `weights/NNNN.pt` holds the state dicts of
    those validations only, so that choosing the best checkpoint per AU, as the paper does, takes little disk space.
    """

    folder: Path
    scores: dict[str, float] = field(default_factory=dict[str, float])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def consider(self, number: int, scores: Mapping[str, float], weights: Mapping[str, Tensor]) -> list[str]:
        """Save the weights if any score is the best so far.

        Args:
            number: of the validation.
            scores: OVERALL and AU name → score, higher is better; NaN never wins.
            weights: a network's state dict.

        Returns:
            The names with a new best score.

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
        """Return the path of a validation's weights."""
        return self.folder / WEIGHTS / f"{number:04d}.pt"

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"scores": dict(self.scores), "looks": dict(self.numbers)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.scores, self.numbers = dict(state["scores"]), dict(state["looks"])

    def _write(self) -> None:
        facts = {
            name: {"look": number, "score": self.scores[name], "weights": f"{WEIGHTS}/{number:04d}.pt"}
            for name, number in self.numbers.items()
        }
        with replacing(self.folder / BEST_FILE) as part:
            part.write_text(json.dumps(facts, indent=1) + "\n")

    def delete_unused(self) -> None:
        """Delete weights that are no longer the best for any score, and parts of files whose writer died.

        To be called only once a saved checkpoint no longer names those weights.
        """
        sweep(self.folder)
        best_paths = {self.weights_of(number) for number in self.numbers.values()}
        for path in (self.folder / WEIGHTS).glob("*.pt"):
            if path not in best_paths:
                path.unlink()
