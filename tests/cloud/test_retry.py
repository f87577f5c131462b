"""Requests made again with back-off, and those that are not."""

from __future__ import annotations

import threading
import time

import pytest

from autrt.cloud import retry
from autrt.cloud.retry import RefusedError, RequestCancelledError, retried
from autrt.errors import StorageError


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(retry, "PATIENCE_S", 0.2)


class Request:
    """Fails with the given errors in turn, then returns 7."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return 7


class NoCredentialsError(Exception):
    """Called as botocore's."""


class ResponseError(Exception):
    """As aiohttp's, with a URL that holds a signature."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, url='https://host/a.mp4?X-Amz-Signature=SECRET'")
        self.status = status


def missing(cause: Exception) -> FileNotFoundError:
    """fsspec's error for any failure of a web server."""
    error = FileNotFoundError("https://host/a.mp4?X-Amz-Signature=SECRET")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error", [TimeoutError(), OSError(5, "SlowDown"), ResponseError(503), missing(ResponseError(503))]
)
def test_a_request_without_an_answer_is_made_again(error):
    request = Request(error, error)
    assert retried(request, "reading it") == 7
    assert request.calls == 3


@pytest.mark.parametrize("error", [FileNotFoundError(), missing(ResponseError(404)), FileExistsError()])
def test_an_answer_is_taken(error):
    request = Request(error)
    with pytest.raises(type(error)):
        retried(request, "reading it")
    assert request.calls == 1


@pytest.mark.parametrize(
    "error",
    [PermissionError("denied"), NoCredentialsError(), ResponseError(403), missing(ResponseError(403))],
)
def test_a_refusal_is_explained_once_without_secrets(error):
    request = Request(error)
    with pytest.raises(RefusedError, match=r"reading it is refused .*credentials") as raised:
        retried(request, "reading it")
    assert request.calls == 1
    assert "SECRET" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_patience_ends():
    request = Request(*(ResponseError(503) for _ in range(1000)))
    with pytest.raises(StorageError, match="has failed for") as raised:
        retried(request, "reading it")
    assert request.calls > 3
    assert "SECRET" not in str(raised.value)


def test_a_run_that_stops_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 60.0)
    monkeypatch.setattr(retry, "PATIENCE_S", 600.0)
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    start_s = time.monotonic()
    with pytest.raises(RequestCancelledError):
        retried(Request(TimeoutError()), "reading it", stop)
    assert time.monotonic() - start_s < 20
