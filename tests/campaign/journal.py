"""The record of a campaign: one JSON line a case, so that a campaign that was stopped goes on with the next one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Journal:
    """The cases of one kind and seed that were tried.

    Args:
        folder: of the campaign.
        kind: damage, kills, disk or memory.
        seed: of the campaign.
    """

    def __init__(self, folder: Path, kind: str, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{kind}-{seed}.jsonl"
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.cases: list[dict[str, Any]] = [case for line in lines if (case := _parsed(line))]

    @property
    def next(self) -> int:
        """Number of the next case."""
        return max((case["case"] for case in self.cases), default=-1) + 1

    def add(self, case: int, **facts: Any) -> None:
        """Record a case that ended."""
        found = {"case": case, **facts}
        self.cases.append(found)
        with self.path.open("a") as file:
            file.write(json.dumps(found, default=str) + "\n")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None  # torn by a kill
    return found if isinstance(found, dict) and isinstance(found.get("case"), int) else None


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal keys as a Markdown table."""
    if not rows:
        return "nothing was tried"
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
