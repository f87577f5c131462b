"""The results that an output folder holds according to its manifests, so that a run need not open every file.

The index is a cache: what it lacks is read from the results files, and deleting the manifests loses nothing but
time. An entry counts only while the file has the size, times and inode that it had when it was written or last
read. So a file that was damaged, replaced, restored or deleted since then is never taken for finished, as far as
the file system can tell; bytes that changed on the disk are found by `autrt verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from autrt.run.files import LOCAL, Files
from autrt.run.finished_file import FinishedFile
from autrt.run.manifest import Manifest, lines_in_order
from autrt.run.manifest_event import finished_in
from autrt.run.shard import Shard
from autrt.storage.escape import escape, unescape


class ResultsIndex:
    """The newest entry of each video, and the entries that a run adds.

    Several writers may work in one folder: each appends to a manifest of its own, and an entry whose file another
    writer has replaced does not count.
    """

    def __init__(self, files: Files = LOCAL) -> None:
        self.files = files
        """The files that it is about."""
        self._known: dict[str, FinishedFile] = {}
        self._added: dict[str, FinishedFile] = {}

    @staticmethod
    def read(out: Path, files: Files = LOCAL) -> ResultsIndex:
        """Read the index of an output folder; torn and foreign lines are skipped."""
        index = ResultsIndex(files)
        for found in lines_in_order(out, holding=b'"finished"'):
            if finished := finished_in(found):
                index._known[found["path"]] = finished
        return index

    def find(self, relative: str, target: Path) -> FinishedFile | None:
        """Return the entry of a video, or None where there is none or the file has changed since."""
        known = self._known.get(escape(relative))
        return known if known and known.file == self.files.results_state(target) else None

    def add(self, relative: str, finished: FinishedFile) -> None:
        """Add what was read from a results file."""
        self._known[escape(relative)] = self._added[escape(relative)] = finished

    def save(
        self, out: Path, shard: Shard | None = None, open_manifest: Callable[..., Manifest] = Manifest
    ) -> None:
        """Append the added entries to the manifest, if there are any.

        Args:
            out: the folder.
            shard: names the manifest.
            open_manifest: opens it.

        Raises:
            DiskFullError: no room.
            ResultsError: the manifest cannot be written.
        """
        if not self._added:
            return
        with open_manifest(out, shard) as manifest:
            for relative, finished in self._take_added():
                manifest.record(relative, "found", run_digest=finished.run_digest, finished=finished)

    def _take_added(self) -> Iterator[tuple[str, FinishedFile]]:
        added, self._added = self._added, {}
        yield from ((unescape(path), finished) for path, finished in added.items())
