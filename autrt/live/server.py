"""The web page of a live session: one HTML page, the picture as motion JPEG, the numbers as server-sent events.

On 127.0.0.1 only programs of this machine reach it, and a request must name this machine, so that a web site cannot
read it through the browser (DNS rebinding). On any other address a token is asked for.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from ipaddress import ip_address
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from autrt.errors import UsageError
from autrt.live.session import Session
from autrt.live.view import View

_COOKIE: Final = "autrt_token"
_BOUNDARY: Final = "picture"
_WAIT_S: Final = 5.0
"""Longest silence of an event stream; a comment keeps it open."""
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LiveServer:
    """Serves a session from threads of its own. A context manager.

    Args:
        session: what is shown.
        view: how.
        host: address to listen on.
        port: 0: any free one.

    Raises:
        UsageError: the address cannot be had.
    """

    def __init__(self, session: Session, view: View, host: str = "127.0.0.1", port: int = 0) -> None:
        self._token = "" if is_loopback(host) else secrets.token_urlsafe(24)
        handler = partial(_Handler, session, view, self._token)
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another --port (0: any), or --host"
            ) from error
        self._host = host

    @property
    def url(self) -> str:
        """Address of the page, with the token where one is needed."""
        port = self._server.server_address[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}/" + (f"?token={self._token}" if self._token else "")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="page", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a viewer that closes its page breaks its connection."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one viewer."""

    protocol_version = "HTTP/1.0"  # a stream ends with its connection

    def __init__(self, session: Session, view: View, token: str, *connection: Any) -> None:
        self._session, self._view, self._token = session, view, token
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Answer a request."""
        if not self._allowed():
            self.send_error(HTTPStatus.FORBIDDEN, "expected the address that `autrt live` printed")
            return
        answers: dict[str, Callable[[], None]] = {
            "/": self._page,
            "/picture": self._pictures,
            "/events": self._events,
        }
        answer = answers.get(urlsplit(self.path).path)
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with suppress(ConnectionError, TimeoutError):
            answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Log nothing: the terminal is the run's."""

    def _allowed(self) -> bool:
        if not self._token:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            return is_loopback(host)
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        known = given or (cookie.value if cookie else "")
        return hmac.compare_digest(known.encode(), self._token.encode())

    def _page(self) -> None:
        facts = json.dumps(self._view.facts()).replace("<", "\\u003c")
        page = files("autrt.live").joinpath("page.html").read_text("utf-8").replace("{{ facts }}", facts)
        cookie = {"Set-Cookie": f"{_COOKIE}={self._token}; HttpOnly; SameSite=Strict"} if self._token else {}
        self._begin("text/html; charset=utf-8", {**_PAGE_HEADERS, **cookie})
        self.wfile.write(page.encode())

    def _pictures(self) -> None:
        self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        for seen in self._frames():
            if seen is not None:
                data = self._view.jpeg(seen)
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

    def _events(self) -> None:
        self._begin("text/event-stream; charset=utf-8")
        for seen in self._frames():
            text = ": still here" if seen is None else f"data: {json.dumps(self._view.numbers(seen))}"
            self.wfile.write(f"{text}\n\n".encode())
        self.wfile.write(b"event: end\ndata: {}\n\n")

    def _frames(self) -> Iterator[Any]:
        """Yield each newest frame that this viewer has not had, or None after a silence; ends with the session."""
        last = -1
        while True:
            try:
                seen = self._session.wait(last, _WAIT_S)
            except EOFError:
                return
            if seen is not None:
                last = seen.frame.index
            yield seen

    def _begin(self, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {"Content-Type": kind, "Cache-Control": "no-store", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
