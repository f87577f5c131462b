"""A writable file for h5py and torch that keeps the first failed write instead of raising it."""

from __future__ import annotations

import io
import os
from typing import Any


class DeferredErrorFile(io.RawIOBase):
    """An open file, as h5py's `fileobj` driver and `torch.save` take it.

    HDF5 crashes the process when it closes a file whose last writes fail, and torch does not pass on the reason of
    a failed write. So the first failure is kept in `error`, and from then on writes are dropped and reported as
    successful. The caller must look at `error` after each step.

    Args:
        fd: descriptor of a file that is open for reading and writing.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._fd = fd
        self._at = 0

    def drop(self) -> None:
        """Drop every write from now on, because the file is to be discarded."""
        self.error = self.error or OSError("abandoned")

    def write(self, data: Any, /) -> int:
        """Write all of `data` at the position; return its length in bytes."""
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
        """Read from the position until `buffer` is full; past the end of the file the bytes are zero."""
        view = memoryview(buffer).cast("B")
        got = 0
        while got < len(view) and (n := os.preadv(self._fd, [view[got:]], self._at + got)):
            got += n
        view[got:] = bytes(len(view) - got)
        self._at += len(view)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the file's length in bytes, by default to the position; return it."""
        size = self._at if size is None else size
        try:
            if self.error is None:
                os.ftruncate(self._fd, size)
        except OSError as error:
            self.error = error
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._fd).st_size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the position in bytes."""
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
