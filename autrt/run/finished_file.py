"""A finished results file as the manifest describes it, so that the next run need not open it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autrt.results.fingerprint import SourceFacts
from autrt.results.source_state import SourceState


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
    sha256: str = ""
    """Over all bytes of the source; empty where it is not known."""
    ctime_ns: int | None = None
    """Of the source, where part of it was lost: then any change since is looked into."""

    @staticmethod
    def of(source: SourceFacts, run_digest: str, file: FileState, *, partial: bool = False) -> FinishedFile:
        """Describe a results file by the header that it holds.

        Args:
            source: of the header.
            run_digest: of the header.
            file: the file's state.
            partial: part of the source was lost.
        """
        return FinishedFile(
            source.kind,
            source.size_bytes,
            source.mtime_ns,
            source.fingerprint,
            run_digest,
            file,
            source.sha256,
            source.ctime_ns if partial else None,
        )

    def is_touched(self, now: SourceState) -> bool:
        """Return whether the source's times are others than they were."""
        return self.mtime_ns != now.mtime_ns or self.ctime_ns not in (None, now.ctime_ns)

    def at(self, now: SourceState) -> FinishedFile:
        """Return the description with the source's times of now."""
        return self._replace(mtime_ns=now.mtime_ns, ctime_ns=None if self.ctime_ns is None else now.ctime_ns)

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
            found.get("sha256", ""),
            found.get("ctime_ns"),
        )
