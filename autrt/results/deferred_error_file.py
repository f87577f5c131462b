"""A file object for h5py that survives a full disk."""

from __future__ import annotations

import io
import os
from typing import Any


class DeferredErrorFile(io.RawIOBase):
    """File object for h5py's `fileobj` driver that stores the first write error instead of raising it.

    HDF5 crashes the process when the last writes of a file fail on closing. So a failed write is stored in
    `error` and reported to HDF5 as successful, and all later writes are dropped; the caller checks `error`
    after each step.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._fd = fd
        self._at = 0

    def drop(self) -> None:
        """Drop every write from now on, for a file that is abandoned."""
        self.error = self.error or OSError("abandoned")

    def write(self, data: Any, /) -> int:
        """Write all of `data` at the current position."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[os.pwrite(self._fd, rest, self._at + size - len(rest)) :]
        except OSError as error:
            self.error = error
        self._at += size
        return size

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` from the current position, with zeros beyond the end of the file."""
        view = memoryview(buffer).cast("B")
        got = 0
        while got < len(view) and (n := os.preadv(self._fd, [view[got:]], self._at + got)):
            got += n
        view[got:] = bytes(len(view) - got)
        self._at += len(view)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the file's length to `size` bytes, or to the current position."""
        size = self._at if size is None else size
        try:
            if self.error is None:
                os.ftruncate(self._fd, size)
        except OSError as error:
            self.error = error
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the current position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._fd).st_size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the current position."""
        return self._at

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True
