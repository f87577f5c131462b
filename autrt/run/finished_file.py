"""A finished results file as the manifest describes it, so that the next run need not open it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autrt.results.fingerprint import SourceFacts


class FileState(NamedTuple):
    """Facts of the file system that change when a file is written or replaced."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    """Last change of its bytes, name or permissions; no program can set it."""
    inode: int

    @staticmethod
    def of(path: Path) -> FileState | None:
        """Read the state of a file, or return None where there is no such file."""
        try:
            stat = path.stat()
        except OSError:
            return None
        return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class FinishedFile(NamedTuple):
    """The source and run of a results file, and the file's state when that was written or read."""

    kind: str
    size_bytes: int
    mtime_ns: int
    fingerprint: str
    run_digest: str
    file: FileState

    @staticmethod
    def of(source: SourceFacts, run_digest: str, file: FileState) -> FinishedFile:
        """Describe a results file by the header that it holds."""
        return FinishedFile(
            source.kind, source.size_bytes, source.mtime_ns, source.fingerprint, run_digest, file
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that a manifest's line holds beside the run digest."""
        found = self._asdict() | {"file": self.file._asdict()}
        del found["run_digest"]
        return found

    @staticmethod
    def parse(found: Mapping[str, Any], run_digest: str) -> FinishedFile:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError: it is something else.
        """
        file = found["file"]
        return FinishedFile(
            found["kind"],
            found["size_bytes"],
            found["mtime_ns"],
            found["fingerprint"],
            run_digest,
            FileState(file["size_bytes"], file["mtime_ns"], file["ctime_ns"], file["inode"]),
        )
