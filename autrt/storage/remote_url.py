"""Places in object storage and on web servers, and texts without the credentials that their URLs may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autrt.storage.local_path import as_local_path

STORES: Final = {
    "s3": "s3fs",
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs"),
}
"""Scheme of an object store → the package that speaks its protocol."""

WEB: Final = ("http", "https")
"""Schemes that can only be read."""

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s'\"<>]*)")
_SIGNED: Final = re.compile(
    r"(?i)\b((?:x-(?:amz|goog|ms)-[a-z-]+|sig|signature|awsaccesskeyid|googleaccessid|token)=)[^&\s'\"]+"
)
_HIDDEN: Final = "…"


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """A place in object storage or on a web server; as text it lacks what may be a credential."""

    url: str = field(repr=False)
    """In full, for the library that opens it alone."""

    def __str__(self) -> str:
        return redacted(self.url)

    def __repr__(self) -> str:
        return f"RemoteUrl({str(self)!r})"

    @property
    def scheme(self) -> str:
        """Lower-case scheme."""
        return self.url.partition("://")[0].lower()


Location = Path | RemoteUrl
"""A path on this machine, or a place in object storage or on a web server."""


def location(text: str) -> Location:
    """Return the place that a user's text names.

    Raises:
        UsageError: it is a URL of a scheme that isn't known.
    """
    scheme, separator, rest = text.partition("://")
    if separator and rest and scheme.lower() in (*STORES, *WEB):
        return RemoteUrl(text)
    return as_local_path(text)


def redacted(text: str) -> str:
    """Return a text in which URLs have neither passwords nor query strings, which may be signatures.

    Args:
        text: a URL, a command, or the message of another library.
    """
    return _SIGNED.sub(rf"\1{_HIDDEN}", _URL.sub(lambda m: f"{m[1]}://{_without_secrets(m[1], m[2])}", text))


def _without_secrets(scheme: str, rest: str) -> str:
    path, question, query = rest.partition("?")
    if question and (scheme.lower() in WEB or "=" in query):  # elsewhere a question mark may be a pattern's
        path += f"?{_HIDDEN}"
    elif question:
        path = rest
    host, slash, key = path.partition("/")
    user, at, name = host.rpartition("@")
    if at and (":" in user or scheme.lower() in WEB):  # abfs://CONTAINER@ACCOUNT is no secret
        host = f"{_HIDDEN}@{name}"
    return host + slash + key
