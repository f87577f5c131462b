"""The resolved plan of a run, kept as `run.json` in the output folder.

It says what the results in the folder were last made with; each file's own attributes say what made it. Shards of
one run must agree with it, since their results lie side by side. Who may replace it is `claim.py`'s affair.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from autrt.errors import ResultsError, UsageError
from autrt.results.fingerprint import canonical_json
from autrt.run.differences import differences
from autrt.storage.atomic_file import Part
from autrt.storage.escape import escape

PLAN_NAME: Final = "run.json"
_SCHEMA: Final = "autrt-run/1"


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run computes with, everything resolved."""

    settings: Mapping[str, Any]
    """JSON: model digest, engine, precision and every setting that changes numbers. Shards must agree on it."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON: versions, command line, start, …; for the reader, compared with nothing."""
    overwrites: Sequence[str] = ()
    """Inputs (absolute) whose results of other settings --overwrite gave up: a run that was stopped goes on with
    them without asking again."""

    def agrees(self, other: RunPlan) -> bool:
        """Whether both compute the same numbers."""
        return canonical_json(self.settings) == canonical_json(other.settings)

    def changes(self, old: RunPlan) -> list[str]:
        """What this plan computes otherwise than an older one, as `name: old → new`."""
        return differences(
            old.settings,
            self.settings,
            old_model=str(old.about.get("model_name", "")),
            new_model=str(self.about.get("model_name", "")),
        )

    def agree_with(self, existing: RunPlan) -> None:
        """Make sure that both compute the same numbers.

        Raises:
            UsageError: they do not; names every setting that differs, and both its values.
        """
        if not self.agrees(existing):
            raise UsageError(
                f"shards of one run must have equal settings, but these differ ({PLAN_NAME} → here):"
                + "".join(f"\n  {change}" for change in self.changes(existing))
                + "\nUse equal settings or another output folder (or, with no shard running, delete "
                f"{PLAN_NAME} and give --overwrite to every shard)"
            )

    @classmethod
    def read(cls, out: Path) -> Self | None:
        """The plan of a folder, or None where it has none.

        Raises:
            UsageError: the file is no plan.
        """
        path = out / PLAN_NAME
        try:
            found = json.loads(path.read_bytes())
            if found["schema"] != _SCHEMA or not isinstance(found["settings"], dict):
                raise ValueError(f"expected schema {_SCHEMA!r} and settings")
            return cls(found["settings"], dict(found["about"]), tuple(found.get("overwrites", ())))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{escape(str(path))} is no plan of a run ({error}): move it or choose another output folder"
            ) from error

    def write(self, out: Path, *, replace: bool) -> bool:
        """Write the file whole; False where one is there and `replace` is off.

        Raises:
            UsageError: `out` cannot be written.
            DiskFullError: no room.
        """
        text = json.dumps({"schema": _SCHEMA, **asdict(self)}, indent=2, sort_keys=True) + "\n"
        try:
            part = Part(out / PLAN_NAME)
            try:
                part.write(text.encode())
                return part.commit(replace=replace)
            finally:
                part.discard()
        except ResultsError as error:
            raise UsageError(f"the output folder is of no use: {error}") from error
