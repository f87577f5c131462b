"""Reader of Aff-Wild2's label texts: a header of AU names, then a row of 0, 1 or −1 for each frame."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt_train.annotations.columns import au_name
from autrt_train.types import I8, MISSING, DataError

_VALUES: Final = {"0": 0, "1": 1, "-1": MISSING, "0.0": 0, "1.0": 1, "-1.0": MISSING}


def read_label_text(path: Path, known: Collection[str] | None = None) -> tuple[tuple[str, ...], I8]:
    """Read the labels of one video.

    Args:
        path: the text.
        known: AU names allowed in the header; None: any.

    Returns:
        AU names in the file's order, and labels (rows, L) int8; row k (from 0) is frame k + 1.

    Raises:
        DataError: the header holds an unknown or repeated name, a row has another length, or a value is not a
            label; names file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{escape(str(path))} cannot be read: {error.strerror or error}") from error
    head, _, body = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").partition(b"\n")
    names = _header(head.decode("utf-8", "replace"), path, known)
    labels = _parse_at_once(body, len(names))
    return names, _parse_rows(body.decode("utf-8", "replace"), names, path) if labels is None else labels


def _header(line: str, path: Path, known: Collection[str] | None) -> tuple[str, ...]:
    names: list[str] = []
    for text in line.split(","):
        name = au_name(text)
        if name is None or (known is not None and name not in known):
            expected = "AU names separated by commas" if known is None else ",".join(known)
            raise DataError(
                f"{escape(str(path))}, line 1: expected the header {expected}, found {text.strip()[:60]!r} in it"
            )
        if name in names:
            raise DataError(f"{escape(str(path))}, line 1: {name} stands twice in the header")
        names.append(name)
    return tuple(names)


def _parse_at_once(body: bytes, width: int) -> I8 | None:
    """Parse all rows at once if every row is written in the usual form; return None otherwise."""
    if not body.strip():
        return np.empty((0, width), np.int8)
    if b"m" in body:
        return None
    body = body.replace(b"-1", b"m").rstrip(b"\n") + b"\n"  # every value is one byte from here on
    if len(body) % (2 * width):
        return None
    text = np.frombuffer(body, np.uint8).reshape(-1, 2 * width)
    separators = np.full(width, ord(","), np.uint8)
    separators[-1] = ord("\n")
    values = text[:, 0::2]
    usual = (values == ord("0")) | (values == ord("1")) | (values == ord("m"))
    if not usual.all() or not (text[:, 1::2] == separators).all():
        return None
    return np.where(values == ord("m"), MISSING, values == ord("1")).astype(np.int8)


def _parse_rows(body: str, names: tuple[str, ...], path: Path) -> I8:
    """Parse row by row, accepting blanks around values, 1.0 for 1, and blank lines at the end."""
    rows = [_parse_row(text, names, path, line) for line, text in enumerate(body.rstrip().split("\n"), 2)]
    return np.array(rows, np.int8)


def _parse_row(text: str, names: tuple[str, ...], path: Path, line: int) -> list[int]:
    values = [value.strip() for value in text.split(",")]
    if len(values) != len(names):
        raise DataError(
            f"{escape(str(path))}, line {line}: expected {len(names)} values, found {len(values)}: {text[:60]!r}"
        )
    for name, value in zip(names, values, strict=True):
        if value not in _VALUES:
            raise DataError(
                f"{escape(str(path))}, line {line}: {name}: expected 0, 1 or -1, found {value[:60]!r}"
            )
    return [_VALUES[value] for value in values]
