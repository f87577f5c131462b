"""The resolved settings of a run, kept as `run.json` in the output folder.

They are those of the folder's last run; each results file also holds its own. Shards of one run must agree with
them, since their results lie side by side. `folder_lock` decides who may replace the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from autrt.errors import ResultsError, UsageError
from autrt.results.fingerprint import canonical_json
from autrt.run.settings_changes import settings_changes
from autrt.storage.atomic_file import Part
from autrt.storage.escape import escape

RUN_JSON: Final = "run.json"
_SCHEMA: Final = "autrt-run/1"


@dataclass(frozen=True, slots=True)
class RunJson:
    """The content of `run.json`."""

    settings: Mapping[str, Any]
    """JSON: model digest, engine, precision and every setting that changes numbers. Shards must agree on them."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON: versions, command line, …; for the reader, compared with nothing."""
    overwrites: Sequence[str] = ()
    """Inputs (absolute paths) that --overwrite was given for: a run that was stopped goes on with them without
    being asked again."""

    def agrees(self, other: RunJson) -> bool:
        """Return whether both runs compute the same numbers."""
        return canonical_json(self.settings) == canonical_json(other.settings)

    def changes(self, old: RunJson) -> list[str]:
        """Return the settings that differ from an older run's, as lines `name: old → new`."""
        return settings_changes(
            old.settings,
            self.settings,
            old_model=str(old.about.get("model_name", "")),
            new_model=str(self.about.get("model_name", "")),
        )

    def require_agreement(self, existing: RunJson) -> None:
        """Refuse to go on where the runs compute different numbers.

        Raises:
            UsageError: names every setting that differs, and both its values.
        """
        if not self.agrees(existing):
            raise UsageError(
                f"shards of one run must have equal settings, but these differ ({RUN_JSON} → here):"
                + "".join(f"\n  {change}" for change in self.changes(existing))
                + "\nUse equal settings or another output folder (or, with no shard running, delete "
                f"{RUN_JSON} and give --overwrite to every shard)"
            )

    @classmethod
    def read(cls, out: Path) -> Self | None:
        """Read the file of a folder, or return None where it has none.

        Raises:
            UsageError: the file is of another kind.
        """
        path = out / RUN_JSON
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _of_another_kind(str(path), error) from error
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, name: str) -> Self:
        """Read the content of a file.

        Args:
            content: as `content` returned it.
            name: of the file, for the error.

        Raises:
            UsageError: it is something else.
        """
        try:
            found = json.loads(content)
            if found["schema"] != _SCHEMA or not isinstance(found["settings"], dict):
                raise ValueError(f"expected schema {_SCHEMA!r} and settings")
            return cls(found["settings"], dict(found["about"]), tuple(found.get("overwrites", ())))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _of_another_kind(name, error) from error

    def content(self) -> bytes:
        """Return the content of the file."""
        text = json.dumps({"schema": _SCHEMA, **asdict(self)}, indent=2, sort_keys=True) + "\n"
        return text.encode()

    def write(self, out: Path, *, replace: bool) -> bool:
        """Write the file atomically; return False where one is there and `replace` is off.

        Raises:
            UsageError: `out` cannot be written.
            DiskFullError: no room.
        """
        try:
            part = Part(out / RUN_JSON)
            try:
                part.write(self.content())
                return part.commit(replace=replace)
            finally:
                part.discard()
        except ResultsError as error:
            raise UsageError(f"the output folder is of no use: {error}") from error


def _of_another_kind(name: str, error: Exception) -> UsageError:
    return UsageError(
        f"{escape(name)} is no plan of a run ({error}): move it or choose another output folder"
    )
