"""Copies of a growing manifest in object storage, whose files cannot be appended to."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from autrt.cloud.store import Store

SEGMENT_BYTES: Final = 4 << 20
"""Size from which on a copy is left as it is and the next is begun, so that no line is sent many times."""


class ManifestCopies:
    """Copies a manifest `manifest.TOKEN.jsonl` as `manifest.TOKEN-0001.jsonl`, `-0002`, …; each only ever grows.

    Args:
        store: the object store.
        top: path of the folder in it.
        local: the manifest; need not be there yet.
    """

    def __init__(self, store: Store, top: str, local: Path) -> None:
        self._store, self._top, self.local = store, top, local
        self._start = self._sent_bytes = 0
        self._number = 1
        self._lock = threading.Lock()

    def send(self) -> None:
        """Copy what was appended since, in whole lines.

        Raises:
            StorageError: the store refuses, or does not answer.
        """
        with self._lock:
            if not self.local.exists():
                return
            with self.local.open("rb") as file:
                file.seek(self._start)
                content = file.read()
            content = content[: content.rfind(b"\n") + 1]
            while len(content) > SEGMENT_BYTES:
                piece = content[: content.rfind(b"\n", 0, SEGMENT_BYTES) + 1]
                self._write(piece)
                self._start, self._sent_bytes = self._start + len(piece), 0
                self._number += 1
                content = content[len(piece) :]
            self._write(content)

    def _write(self, content: bytes) -> None:
        if len(content) > self._sent_bytes:
            name = f"{self.local.stem}-{self._number:04}.jsonl"
            self._store.write(f"{self._top}/{name}", content)
            self._sent_bytes = len(content)
