"""Which results an output folder holds, as its manifests remember, so that a run need not open every file.

It is a cache of what the files say: what it does not know is read from them, and deleting the manifests loses
nothing but time. An entry counts only while the file has the size, times and inode that it had when it was written
or last read here. So a file that was damaged, replaced, restored or deleted since is never taken for finished, as
far as the file system can tell; bytes that rotted on the disk are found by `autrt verify`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autrt.run.event import finished_in
from autrt.run.finished import FileState, Finished
from autrt.run.manifest import Manifest, lines_in_order
from autrt.run.shard import Shard
from autrt.storage.escape import escape, unescape


class ResultsIndex:
    """The newest entry of each video, and what a run learns beside them.

    Several writers may work in one folder: each appends to a manifest of its own, and an entry that another's
    file has overtaken does not count.
    """

    def __init__(self) -> None:
        self._known: dict[str, Finished] = {}
        self._learnt: dict[str, Finished] = {}

    @staticmethod
    def read(out: Path) -> ResultsIndex:
        """The index of an output folder; torn and foreign lines are passed over."""
        index = ResultsIndex()
        for found in lines_in_order(out, holding=b'"finished"'):
            if finished := finished_in(found):
                index._known[found["path"]] = finished
        return index

    def find(self, relative: str, target: Path) -> Finished | None:
        """What is known of a video's results; None where that is nothing, or the file is not that one any more."""
        known = self._known.get(escape(relative))
        return known if known and known.file == FileState.of(target) else None

    def learn(self, relative: str, finished: Finished) -> None:
        """Remember what a results file said."""
        self._known[escape(relative)] = self._learnt[escape(relative)] = finished

    def save(self, out: Path, shard: Shard | None = None) -> None:
        """Append what was learnt to the manifest, where anything was.

        Raises:
            DiskFullError: no room.
            ResultsError: the manifest cannot be written.
        """
        if not self._learnt:
            return
        with Manifest(out, shard) as manifest:
            for relative, finished in self._taken():
                manifest.record(relative, "found", run_digest=finished.run_digest, finished=finished)

    def _taken(self) -> Iterator[tuple[str, Finished]]:
        learnt, self._learnt = self._learnt, {}
        yield from ((unescape(path), finished) for path, finished in learnt.items())
