"""Local paths from text that users wrote: paths and `file://` URLs are taken, other URLs refused."""

from __future__ import annotations

import os
import re
import reprlib
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from autrt.errors import UsageError

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)")
"""A scheme of two letters or more before a slash; pathlib turns `s3://x` into `s3:/x`."""

_COPIERS: Final = {
    "s3": "aws s3 sync",
    **dict.fromkeys(("gs", "gcs"), "gcloud storage rsync"),
    **dict.fromkeys(("az", "abfs", "abfss", "wasb", "wasbs"), "azcopy sync"),
    **dict.fromkeys(("http", "https", "ftp", "ftps"), "wget"),
    **dict.fromkeys(("ssh", "sftp", "scp", "rsync"), "rsync"),
    "hdfs": "hdfs dfs -get",
}
"""Scheme → command that copies from and to it; rclone serves the others."""

_NETWORK_FILES: Final = ("smb", "cifs", "nfs", "webdav", "dav", "davs")
"""Schemes of network file systems, which the operating system mounts."""


def local_path(text: str) -> str:
    """Return the local path in a user's text; only `file://` URLs are changed.

    Args:
        text: a path, a pattern, or a URL `file:///…` with `%XX` for bytes.

    Raises:
        UsageError: the text is a URL of another scheme or of another machine.
    """
    match = _SCHEME.match(text)
    if match is None:
        return text
    if match[1].lower() == "file":
        return _of_url(text, text[match.end(1) + 1 :])
    message = _refusal(text, match[1])
    if match[2] == "/" or Path(f"{match[1]}:").exists():
        message += f" (A local folder that is really called '{match[1]}:' is written ./{match[1]}:/…)"
    raise UsageError(message)


def checked_path_text(name: str, value: Any) -> str:
    """Return a path of the Python API as text.

    Args:
        name: of the argument, for the error.
        value: text or an object such as `pathlib.Path`.

    Raises:
        UsageError: it is something else, or empty.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UsageError(
            f"{name}: expected a path as text or pathlib.Path, found {reprlib.repr(value)} "
            f"({type(value).__name__})"
        )
    if not text or "\0" in text:
        raise UsageError(f"{name}: expected a path, found {text!r}; the current folder is written '.'")
    return text


def as_local_path(text: str) -> Path:
    """Return the result of `local_path` as a Path; raises as it does."""
    return Path(local_path(text))


def _of_url(url: str, rest: str) -> str:
    """Return the path of a `file:` URL; `rest` is the URL after its scheme."""
    host = ""
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        rest = slash + path
    if host not in ("", "localhost") or not rest:
        raise UsageError(f"{url}: expected a file on this machine, file:///PATH; found {host or 'no path'!r}")
    return os.fsdecode(unquote_to_bytes(os.fsencode(rest)))


def _refusal(text: str, scheme: str) -> str:
    """Return the message for a URL of another scheme, with advice on how to get at its files."""
    kind = scheme.lower()
    if kind in _NETWORK_FILES:
        advice = "mount it (`mount`, or your system's file manager) and name the folder where it then lies"
    else:
        mount = "" if kind in ("http", "https", "ftp", "ftps") else ", or mount it (`rclone mount`)"
        copier = _COPIERS.get(kind, "rclone copy")
        advice = f"copy it from or to a local folder (`{copier}`){mount}, and name that folder"
    return f"{text}: supported are local paths and file:// URLs, found {scheme}:. To use it, {advice}."
