"""Reversible text forms of file names, which may hold any bytes."""

from __future__ import annotations

import os
import re

_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPED = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def escape(name: str) -> str:
    r"""Return a file name as printable Unicode from which `unescape` restores its bytes.

    A backslash is doubled; a control character and every byte that is not part of valid UTF-8 becomes `\xNN`,
    two lower-case hexadecimal digits a byte; everything else stays.

    Args:
        name: as Python gives it, with surrogate escapes for bytes that are no UTF-8.
    """
    text = os.fsencode(name).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return _UNSHOWABLE.sub(lambda m: "".join(f"\\x{b:02x}" for b in m[0].encode()), text)


def unescape(text: str) -> str:
    """Return the file name that `escape` was given."""
    raw = _ESCAPED.sub(lambda m: b"\\" if m[1] is None else bytes([int(m[1], 16)]), text.encode())
    return os.fsdecode(raw)
