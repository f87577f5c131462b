"""The log of a training run: JSON lines, TensorBoard, and a progress bar with speed and time left."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from autrt.console import Mode


class TrainingLog:
    """Log of the leading process.

    Args:
        folder: of the run; `log.jsonl` and `tensorboard/` are written there, and appended to by a resumed run.
        progress: auto shows a bar on a terminal and plain lines elsewhere.
        steps: of the whole run.
        first: step that this process starts from.
    """

    def __init__(self, folder: Path, progress: Mode, steps: int, first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "log.jsonl").open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first)
        self._progress = progress
        self._steps = steps
        self._start_s, self._first = time.monotonic(), first
        self._pictures = 0
        bar = progress == "auto" and sys.stderr.isatty()
        self._bar: tqdm[Any] | None = (
            tqdm(total=steps, initial=first, unit="step", dynamic_ncols=True) if bar else None
        )

    def step(self, step: int, facts: dict[str, float], pictures: int, *, write_line: bool) -> None:
        """Record one optimiser step.

        Args:
            step: its number, from 1.
            facts: name → number, such as losses and the learning rate.
            pictures: of the step, over all processes.
            write_line: also write the facts to the log; the bar advances either way.
        """
        self._pictures += pictures
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {facts.get('loss', 0):.4f}, {self.rate():.0f} pictures/s")
            self._bar.update(1)
        if write_line:
            self.write_event("step", step, {**facts, "pictures_per_s": round(self.rate(), 1)})
            if self._bar is None and self._progress in ("auto", "plain"):
                left_s = (
                    (self._steps - step) * (time.monotonic() - self._start_s) / max(1, step - self._first)
                )
                self.print_line(
                    f"step {step}/{self._steps}: loss {facts.get('loss', 0):.4f}, {self.rate():.0f} pictures/s, "
                    f"{left_s / 60:.1f} min left"
                )

    def rate(self) -> float:
        """Return the pictures a second since this process began."""
        return self._pictures / max(1e-9, time.monotonic() - self._start_s)

    def write_event(self, event: str, step: int, facts: dict[str, Any]) -> None:
        """Write a JSON line, and its numbers to TensorBoard."""
        record = {"event": event, "step": step, **facts}
        self._lines.write(json.dumps(record) + "\n")
        self._lines.flush()
        if self._progress == "json":
            print(json.dumps(record), flush=True)
        for name, value in facts.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(f"{event}/{name}", value, step)

    def print_line(self, line: str) -> None:
        """Print a line for the user."""
        if self._progress in ("auto", "plain"):
            tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Flush and close everything."""
        if self._bar is not None:
            self._bar.close()
        self._board.close()
        self._lines.close()
