"""Locks of open files (flock), which end with their process."""

from __future__ import annotations

import errno
import fcntl
from typing import Final, Literal

_NO_LOCKS: Final = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def try_lock(fd: int) -> Literal["locked", "held", "unknown"]:
    """Lock an open file, if nobody holds it; "unknown" where the file system has no locks.

    Raises:
        OSError: anything else is wrong with the file.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held"
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return "unknown"
        raise
    return "locked"
