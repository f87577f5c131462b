"""Columns of annotation tables: AU names in their various spellings, numbers, labels, and names as ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.storage.escape import escape
from autrt.types import F64, I32
from autrt_train.types import I8, MISSING, DataError

_AU: Final = re.compile(r"au\s?0*([1-9][0-9]?)", re.IGNORECASE | re.ASCII)


def au_name(text: str) -> str | None:
    """Return the AU that a column name stands for (`AU1`, `AU01` and `au 1` are `AU1`), or None."""
    match = _AU.fullmatch(text.strip())
    return f"AU{match[1]}" if match else None


def numbers(values: Sequence[Any], where: Path, column: str, first_line: int = 2) -> F64:
    """Return a column's numbers as (N,) float64, NaN where empty.

    Args:
        values: texts or numbers; None, "" and blanks are empty.
        where: the file, for messages.
        column: its name, for messages.
        first_line: line of the first value, for messages.

    Raises:
        DataError: a value is not a number; names file, line and column.
    """
    filled = [np.nan if v is None or (isinstance(v, str) and not v.strip()) else v for v in values]
    try:
        return np.array(filled, dtype=np.float64)
    except (ValueError, TypeError):
        for line, value in enumerate(filled, first_line):
            if not _is_number(value):
                raise DataError(
                    f"{escape(str(where))}, line {line}: {column}: expected a number, found {value!r}"
                ) from None
        raise


def whole_numbers(values: Sequence[Any], where: Path, column: str, first_line: int = 2) -> I32:
    """Return a column's whole numbers as (N,) int32.

    Raises:
        DataError: a value is empty or not a whole number; names file, line and column.
    """
    found = numbers(values, where, column, first_line)
    wrong = ~(np.abs(found) < 2**31) | (np.nan_to_num(found) % 1 != 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{escape(str(where))}, line {row + first_line}: {column}: expected a whole number, "
            f"found {values[row]!r}"
        )
    return found.astype(np.int32)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def binary_labels(values: F64, threshold: float | None, where: Path, column: str, first_line: int = 2) -> I8:
    """Return a column's labels as (N,) int8: 1 active, 0 not active, `MISSING` for −1 and NaN.

    Args:
        values: (N,) 0, 1, −1; or intensities if there is a threshold.
        threshold: intensity from which an AU is active; None: the values are labels.
        where: the file, for messages.
        column: its name, for messages.
        first_line: line of the first value, for messages.

    Raises:
        DataError: a value is not a label.
    """
    missing = np.isnan(values) | (values == MISSING)
    known = np.where(missing, 0, values)
    wrong = (known < 0) if threshold is not None else (known != 0) & (known != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        hint = "" if threshold is not None else "; for intensities set a threshold"
        expected = "0, 1 or -1" if threshold is None else "an intensity of 0 or more, or -1"
        raise DataError(
            f"{escape(str(where))}, line {row + first_line}: {column}: expected {expected}, "
            f"found {values[row]:g}{hint}"
        )
    active = known >= (0.5 if threshold is None else threshold)
    return np.where(missing, MISSING, active).astype(np.int8)


def name_ids(values: Sequence[Any]) -> tuple[I32, tuple[str, ...]]:
    """Return names as (N,) int32 ids, and the names by id.

    Names are sorted, numbers among them numerically; an empty name has the id `MISSING`.
    """
    texts = ["" if v is None else str(v).strip() for v in values]
    names = sorted(
        set(texts) - {""}, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)
    )
    at = {name: i for i, name in enumerate(names)} | {"": MISSING}
    return np.array([at[text] for text in texts], np.int32).reshape(-1), tuple(names)
