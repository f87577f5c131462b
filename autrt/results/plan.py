"""The resolved plan of a run, kept as `run.json` in the output folder.

It says what the results in the folder were made with. Shards of one run must agree with it, since their results
lie side by side. A run without shards may come with other settings: it replaces the plan, and because the run
digest in each file then differs, recomputes every video it meets. Files of videos that it does not meet stay as
they are; their own attributes say what made them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from autrt.errors import ResultsError, UsageError
from autrt.results.fingerprint import canonical_json
from autrt.results.names import escape
from autrt.results.part import Part

PLAN_NAME: Final = "run.json"
_SCHEMA: Final = "autrt-run/1"


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run computes with, everything resolved."""

    settings: Mapping[str, Any]
    """JSON: model digest, engine, precision and every setting that changes numbers. Shards must agree on it."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON: versions, command line, start, …; for the reader, compared with nothing."""

    def settle(self, out: Path, *, sharded: bool) -> None:
        """Make this the plan of the folder, or make sure that it is.

        An equal plan is left as it is. Several shards may start at once: one writes, the others compare.

        Raises:
            UsageError: a shard finds other settings, the file there is no plan, or `out` cannot be written.
            DiskFullError: no room.
        """
        existing = self.read(out)
        if existing is None:
            if self._write(out, replace=False):
                return
            existing = self.read(out) or self
        if canonical_json(existing.settings) == canonical_json(self.settings):
            return
        if sharded:
            self.agree_with(existing)
        self._write(out, replace=True)

    def agree_with(self, existing: RunPlan) -> None:
        """Make sure that both compute the same numbers.

        Raises:
            UsageError: they do not; names the first setting that differs and both its values.
        """
        ours, theirs = _flat(self.settings), _flat(existing.settings)
        for name in sorted(ours | theirs):
            if ours.get(name) != theirs.get(name):
                raise UsageError(
                    f"shards of one run must have equal settings, but {name} is {_shown(ours, name)} here and "
                    f"{_shown(theirs, name)} in {PLAN_NAME}: use equal settings or another output folder "
                    f"(or, with no shard running, delete {PLAN_NAME} to recompute with the new settings)"
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
            return cls(found["settings"], found["about"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{escape(str(path))} is no plan of a run ({error}): move it or choose another output folder"
            ) from error

    def _write(self, out: Path, *, replace: bool) -> bool:
        """Write the file whole; False where one is there and `replace` is off."""
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


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Dotted names → values as JSON."""
    out: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            out |= {f"{name}.{k}": v for k, v in _flat(value).items()}
        else:
            out[name] = canonical_json(value)
    return out


def _shown(flat: Mapping[str, str], name: str) -> str:
    return flat.get(name, "not set")
