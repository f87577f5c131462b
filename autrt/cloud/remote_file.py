"""A file in object storage or on a web server, as its store describes it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = ("LastModified", "updated", "last_modified", "Last-Modified")
"""Names of the time of change at S3, Google, Azure and web servers."""


class RemoteFile(NamedTuple):
    """A file, and the facts by which a change is seen without reading it."""

    path: str
    """As fsspec names it; of a web server the whole URL, which may hold a signature."""
    size_bytes: int | None
    """None where a web server does not state it."""
    mtime_ns: int | None
    """Last change, ns since 1970; None where it is not stated."""
    etag: str
    """Differs for every content; empty where it is not stated."""
    md5: str
    """MD5 (hex) of the content, as far as the store states one; empty, or of something else, at many."""

    @staticmethod
    def of(info: Mapping[str, Any]) -> RemoteFile:
        """Read what fsspec says about a file."""
        size = info.get("size")
        stated = next((info[name] for name in _TIMES if info.get(name)), None)
        etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
        return RemoteFile(
            path=str(info["name"]),
            size_bytes=None if size is None else int(size),
            mtime_ns=None if stated is None else _ns(stated),
            etag=etag,
            md5=_md5(info) or (etag if re.fullmatch("[0-9a-f]{32}", etag) else ""),
        )


def _ns(stated: Any) -> int | None:
    """Return a time in ns since 1970."""
    try:
        time = stated if isinstance(stated, datetime) else _parsed(str(stated))
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)


def _md5(info: Mapping[str, Any]) -> str:
    """Return the MD5 that Google or Azure states (hex)."""
    if stated := info.get("md5Hash"):
        return base64.b64decode(stated).hex()
    stated = (info.get("content_settings") or {}).get("content_md5")
    return bytes(stated).hex() if stated else ""
