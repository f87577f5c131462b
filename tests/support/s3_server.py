"""An S3 server in this process (moto's), which can be made to fail as stores and networks do."""

from __future__ import annotations

import logging
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "archive"

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)

FAULTS = ("503", "truncated", "hang", "lost answer", "broken upload")


class FaultyApp:
    """A WSGI application around another one that fails now and then.

    `503`: the store is busy; `truncated`: the body ends early; `hang`: the answer comes too late;
    `lost answer`: the request is done, its answer is lost; `broken upload`: it is cut off half-way.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.rate = 0.0
        self.hang_s = 4.0
        self.random = random.Random(1)
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str, str]] = []
        """Method, path and query of each."""
        self.injected: Counter[str] = Counter()
        self.refuse = ""
        """Method and part of a path that is always answered with 503, such as `PUT .h5`."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path, query = (environ[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
        with self.lock:
            self.requests.append((method, path, query))
            fault = self.random.choice(FAULTS) if self.random.random() < self.rate else ""
            if self.refuse and self.refuse.split()[0] == method and self.refuse.split()[1] in path:
                fault = "503"
            if fault == "hang" and self.random.random() < 0.7:  # it takes long
                fault = "503"
            self.injected[fault] += bool(fault)
        if fault == "hang":
            time.sleep(self.hang_s)
        if fault in ("503", "hang"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        if fault == "broken upload" and method == "PUT":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
            raise ConnectionAbortedError
        body = b"".join(self.app(environ, start_response))
        if fault == "lost answer":
            raise ConnectionAbortedError
        return self._cut(body) if fault == "truncated" else [body]

    @staticmethod
    def _cut(body: bytes) -> Iterator[bytes]:
        yield body[: len(body) // 2]
        raise ConnectionAbortedError


class S3Server:
    """A running server with one empty bucket."""

    def __init__(self) -> None:
        self.faults = FaultyApp(DomainDispatcherApplication(create_backend_app))
        self._server = make_server("127.0.0.1", 0, self.faults, threaded=True)
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # else a line for each request
        serve = partial(self._server.serve_forever, poll_interval=0.02)  # `close` waits for so long
        threading.Thread(target=serve, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # moto keeps buckets for the process, not for the server.
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="id",
            aws_secret_access_key="SECRETKEY",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=BUCKET)

    def environment(self) -> dict[str, str]:
        """Variables by which a client finds the server, and is impatient."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "SECRETKEY",
            "AWS_DEFAULT_REGION": "us-east-1",
            "FSSPEC_S3": '{"config_kwargs": {"read_timeout": 2, "retries": {"max_attempts": 1}}}',
        }

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def download(self, prefix: str, folder: Path) -> Path:
        """Copy all below a prefix into a folder."""
        for key in self.keys(prefix):
            path = folder / key.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(key))
        return folder

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def faulty(server: S3Server, rate: float) -> Generator[Counter[str]]:
    """Let a share of the requests fail; yields the faults that were injected."""
    server.faults.injected.clear()
    server.faults.rate = rate
    try:
        yield server.faults.injected
    finally:
        server.faults.rate = 0.0
