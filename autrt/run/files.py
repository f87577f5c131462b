"""The videos and results files of a run as its rules look at them, wherever they lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from autrt.results.fingerprint import fingerprint
from autrt.results.source_state import SourceState
from autrt.run.finished_file import FileState
from autrt.types import Source


class Files:
    """Looks at files on this machine."""

    def exists(self, source: Source) -> bool:
        """Return whether there is anything under a source's name."""
        return os.path.lexists(source.path)

    def is_kind(self, source: Source, kind: str) -> bool:
        """Return whether a source may be of this kind, as far as it is known before its turn."""
        return source.kind == kind

    def source_state(self, source: Source) -> SourceState:
        """Return a source's size and times.

        Raises:
            VideoError: it cannot be read.
        """
        return SourceState.of(source.path)

    def fingerprint(self, source: Source) -> str:
        """Return a source's fingerprint (see `results.fingerprint`).

        Raises:
            VideoError: it cannot be read.
        """
        return fingerprint(source.path)

    def results_state(self, target: Path) -> FileState | None:
        """Return the state of a results file; None where there is none.

        Args:
            target: see `results.names.results_path`.
        """
        return FileState.of(target)

    def results_file(self, target: Path) -> Path:
        """Return the path under which a results file can be opened, if it is there."""
        return target


LOCAL: Final = Files()
