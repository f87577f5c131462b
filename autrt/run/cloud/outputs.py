"""The results of a run that belong into object storage: what is there, and how it gets there."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

from autrt.cloud.remote_file import RemoteFile
from autrt.cloud.store import Store
from autrt.errors import ResultsError
from autrt.results.names import results_path
from autrt.results.reader import open_results
from autrt.run.finished_file import FileState
from autrt.run.job import Outcome
from autrt.run.manifest import MANIFESTS
from autrt.run.run_json import RUN_JSON


class RemoteOutputs:
    """A folder of results in object storage, listed once, and its local counterpart.

    Args:
        store: the object store.
        top: path of the folder in it.
        folder: local folder with the same layout, where results are until they are delivered.

    Raises:
        StorageError: the store refuses, or does not answer.
    """

    def __init__(self, store: Store, top: str, folder: Path) -> None:
        self.store, self.top, self.folder = store, top, folder
        self.name = store.shown(top)
        """For messages."""
        self._listed = store.files(top)
        self._read = folder.parent / "read"

    def fetch_records(self, without: frozenset[str] = frozenset()) -> None:
        """Copy `run.json` and the manifests to the local folder.

        Args:
            without: tokens of runs whose manifests are there already.
        """
        for name, file in self._listed.items():
            wanted = name == RUN_JSON or MANIFESTS.fullmatch(name)
            if wanted and not any(f".{token}-" in name for token in without):
                self.store.fetch(file, self.folder / name)

    def state(self, target: Path) -> FileState | None:
        """Return the state of a results file; of one that is not delivered yet its local one."""
        found = self._listed.get(self._name(target))
        return FileState.of(target) if found is None else _state_of(found)

    def file(self, target: Path) -> Path:
        """Return a local copy of a results file, if it is there."""
        name = self._name(target)
        if (found := self._listed.get(name)) is None:
            return target
        copy = self._read / name
        if not copy.exists():
            self.store.fetch(found, copy)
        return copy

    def shown(self, target: Path) -> str:
        """Return the place of a results file in the store, for messages."""
        return f"{self.name}/{self._name(target)}"

    def undelivered(self, relative: str) -> bool:
        """Return whether a video's results are on this machine alone."""
        target = results_path(self.folder, relative)
        return self._name(target) not in self._listed and target.exists()

    def deliver(self, outcome: Outcome, stop: threading.Event | None = None) -> Outcome:
        """Take a video's results to the store and remove them here; return the outcome as it is to be recorded.

        Where no results were listed, none are replaced: if another run has stored some of the same run digest
        meanwhile, those stay.

        Raises:
            StorageError: the store refuses, or does not answer; the results stay here.
        """
        target = results_path(self.folder, outcome.relative)
        name = self._name(target)
        path = f"{self.top}/{name}"
        try:
            stored = self.store.upload(target, path, replace=name in self._listed, stop=stop)
        except FileExistsError:
            stored = self._same_results(name, path, outcome.run_digest)
            stored = stored or self.store.upload(target, path, stop=stop)
        self._listed[name] = stored
        target.unlink()
        if outcome.finished is None:
            return outcome
        return replace(outcome, finished=outcome.finished._replace(file=_state_of(stored)))

    def _same_results(self, name: str, path: str, run_digest: str) -> RemoteFile | None:
        """Return the file that another run has stored, if it holds the results of this run digest."""
        theirs = self.store.info(path)
        copy = self._read / name
        self.store.fetch(theirs, copy)
        try:
            with open_results(copy) as results:
                return theirs if results.run_digest == run_digest else None
        except ResultsError:
            return None
        finally:
            copy.unlink()

    def _name(self, target: Path) -> str:
        return target.relative_to(self.folder).as_posix()


def _state_of(file: RemoteFile) -> FileState:
    """Return the state of a stored file: its size, and a number that stands for its ETag."""
    tag = hashlib.sha256((file.etag or str(file.mtime_ns)).encode()).digest()
    return FileState(file.size_bytes or 0, 0, 0, int.from_bytes(tag[:6]))
