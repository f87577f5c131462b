"""Requests that are made again, with back-off, where the store or the network failed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from autrt.errors import AutrtError, StorageError
from autrt.storage.remote_url import redacted

_T = TypeVar("_T")

PATIENCE_S: Final = 180.0
"""A request that has failed for so long is given up."""

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0

_FINAL: Final = (
    PermissionError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    ImportError,
    TypeError,
)

_FINAL_NAMES: Final = frozenset({
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoAuthTokenError",
    "CredentialRetrievalError", "DefaultCredentialsError", "ClientAuthenticationError",
    "NoSuchBucket", "ParamValidationError", "InvalidURL",
})  # fmt: skip
"""Names of errors, of libraries that need not be installed, which no patience mends."""

_LATER: Final = (408, 425, 429)
"""Answers below 500 to requests that may succeed later."""


class RefusedError(StorageError):
    """The store refuses a request, as it will the next time."""


class RequestCancelledError(Exception):
    """The run is stopping."""


def retried(request: Callable[[], _T], what: str, stop: threading.Event | None = None) -> _T:
    """Return what a request returns, made again with growing pauses while it fails for want of an answer.

    Args:
        request: makes one attempt; may be called many times.
        what: the request, as the subject of an error ("reading s3://…").
        stop: ends the pauses when set.

    Raises:
        FileNotFoundError, FileExistsError: as the store answers.
        RefusedError: the store refuses.
        StorageError: it gives no answer for `PATIENCE_S`.
        RequestCancelledError: `stop` was set.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return request()
        except (AutrtError, RequestCancelledError):
            raise
        except Exception as error:
            if _is_answer(error):
                raise
            if _is_final(error):
                raise RefusedError(
                    f"{what} is refused ({_reason(error)}): check the credentials and their rights "
                    "(docs/cloud.md), and the spelling"
                ) from None
            if time.monotonic() + wait_s > deadline_s:
                raise StorageError(
                    f"{what} has failed for {PATIENCE_S:.0f} s ({_reason(error)}): check the network and the "
                    "store, then run the same command again"
                ) from None
        # Others that failed at the same time must not all come again at the same time.
        pause_s = wait_s * random.uniform(0.5, 1.0)
        if stop is None:
            time.sleep(pause_s)
        elif stop.wait(pause_s):
            raise RequestCancelledError
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _is_answer(error: Exception) -> bool:
    """Return whether the store said clearly that a file is there, or is not."""
    if isinstance(error, FileNotFoundError):
        status = _status(error)
        return status is None or status in (404, 410)
    return isinstance(error, FileExistsError)


def _is_final(error: Exception) -> bool:
    status = _status(error)
    if status is not None and 400 <= status < 500 and status not in _LATER:
        return True
    if isinstance(error, FileNotFoundError):  # fsspec's, for any failed request of a web server
        return False
    return isinstance(error, _FINAL) or type(error).__name__ in _FINAL_NAMES


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that a web server answered, where that is the error's reason."""
    for cause in (error, error.__cause__):
        status = getattr(cause, "status", None)
        if isinstance(status, int) and status:
            return status
    return None


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    return redacted(f"{type(cause).__name__}: {cause}".removesuffix(": "))
