"""A finished results file as the manifest remembers it, so that the next run need not open it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autrt.results.fingerprint import SourceFacts


class FileState(NamedTuple):
    """By what a file is known again: one that was written or replaced since differs in something."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    """Last change of its bytes, name or rights; no program can set it."""
    inode: int

    @staticmethod
    def of(path: Path) -> FileState | None:
        """What the file system says now; None where there is no such file."""
        try:
            stat = path.stat()
        except OSError:
            return None
        return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class Finished(NamedTuple):
    """What a results file says of its source and run, and the file's state when that was written or read."""

    kind: str
    size_bytes: int
    mtime_ns: int
    fingerprint: str
    run_digest: str
    file: FileState

    @staticmethod
    def of(source: SourceFacts, run_digest: str, file: FileState) -> Finished:
        """The same from the header of the file."""
        return Finished(source.kind, source.size_bytes, source.mtime_ns, source.fingerprint, run_digest, file)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a line of a manifest, beside the run digest."""
        found = self._asdict() | {"file": self.file._asdict()}
        del found["run_digest"]
        return found

    @staticmethod
    def parse(found: Mapping[str, Any], run_digest: str) -> Finished:
        """What `to_json` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        file = found["file"]
        return Finished(
            found["kind"],
            found["size_bytes"],
            found["mtime_ns"],
            found["fingerprint"],
            run_digest,
            FileState(file["size_bytes"], file["mtime_ns"], file["ctime_ns"], file["inode"]),
        )
