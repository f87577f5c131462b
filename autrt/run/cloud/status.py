"""The state of an output folder in object storage."""

from __future__ import annotations

from pathlib import Path

from autrt.cloud.mirror import mirrored
from autrt.cloud.store import Store
from autrt.run.cloud.door import living_in
from autrt.run.status import FolderStatus, StatusReader
from autrt.storage.presence import Found
from autrt.storage.remote_url import RemoteUrl


class CloudStatusReader:
    """Reads the state of a folder, each time from where it stopped; only manifests that grew are copied.

    Args:
        url: the folder.
    """

    def __init__(self, url: RemoteUrl) -> None:
        self._url, self._store = url, Store(url.scheme)
        self._reader: StatusReader | None = None

    def read(self) -> FolderStatus:
        """Return the state now.

        Raises:
            UsageError: the folder has no manifest.
            StorageError: the store refuses, or does not answer.
        """
        with mirrored(self._url, ".jsonl", "manifest") as folder:
            self._reader = self._reader or StatusReader(folder, self._living)
            return self._reader.read()

    def _living(self, folder: Path) -> list[Found]:
        return living_in(self._store, self._store.path(self._url))
