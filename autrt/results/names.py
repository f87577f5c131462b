"""Names of results files, and a text form of names that keeps any bytes."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

from autrt.errors import UsageError
from autrt.results.schema import SUFFIX

NAME_MAX_BYTES: Final = 255

_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPED = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def escape(name: str) -> str:
    r"""A name of the file system as plain, printable Unicode that keeps its bytes.

    A backslash is doubled; a control character and every byte that is not part of valid UTF-8 becomes `\xNN`,
    two lower-case hexadecimal digits a byte; everything else stays.

    Args:
        name: as Python gives it, with surrogate escapes for bytes that are no UTF-8.
    """
    text = os.fsencode(name).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return _UNSHOWABLE.sub(lambda m: "".join(f"\\x{b:02x}" for b in m[0].encode()), text)


def unescape(text: str) -> str:
    """The name that `escape` was given."""
    raw = _ESCAPED.sub(lambda m: b"\\" if m[1] is None else bytes([int(m[1], 16)]), text.encode())
    return os.fsdecode(raw)


def results_path(out: Path, relative: str) -> Path:
    """Where a video's results go: `<out>/<relative>.h5`, a file name over 255 bytes shortened with a hash.

    Raises:
        UsageError: the path is absolute or climbs out of its folder.
    """
    path = PurePosixPath(relative)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in relative:
        raise UsageError(
            f"{escape(relative)!r} cannot be the place of a results file in {escape(str(out))}: expected a path "
            "inside the input folder, without '..' and not absolute"
        )
    return out.joinpath(*path.parts[:-1], file_name(path.name, SUFFIX))


def file_name(name: str, suffix: str) -> str:
    """`name` + `suffix`; where that is over 255 bytes, the end of `name` gives way to a hash of the whole."""
    raw = os.fsencode(name)
    if len(raw) + len(suffix) <= NAME_MAX_BYTES:
        return name + suffix
    tail = f"~{hashlib.sha256(raw).hexdigest()[:16]}{suffix}"
    # Dropping bytes that are no UTF-8 also drops the half of a character that the cut may leave.
    start = raw[: NAME_MAX_BYTES - len(tail)].decode("utf-8", "ignore")
    return start + tail
