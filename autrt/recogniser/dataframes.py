"""Recognised faces as pandas tables; imported only when one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np
import pandas as pd

from autrt.errors import UsageError
from autrt.recogniser.faces import RecognisedFaces, RecognisedFrame
from autrt.results.tables.columns import KEYS, TableColumn, table_columns

_GROUPS: Final = ("box", "landmarks", "score", "source", "logit", "probability", "smoothed", "active")
"""Columns of a whole table, in the order of `Results.to_dataframe`."""


def faces_dataframe(faces: RecognisedFaces, columns: str | Sequence[str] | None) -> pd.DataFrame:
    """Return a row for each face; see `RecognisedFaces.to_dataframe`."""
    chosen = _columns(faces, _GROUPS if columns is None else columns)
    table: dict[str, np.ndarray] = {"track": faces.track}
    for group, members in groupby(chosen, key=lambda column: column.group):
        names = [column.name for column in _columns(faces, [group])]
        values = getattr(faces, group).reshape(len(faces), len(names))
        table |= {column.name: values[:, names.index(column.name)] for column in members}
    return pd.DataFrame(table, copy=True)


def _columns(faces: RecognisedFaces, wanted: str | Sequence[str]) -> list[TableColumn]:
    names = [wanted] if isinstance(wanted, str) else wanted
    chosen = [column for column in table_columns(faces.au_names, (), names) if column not in KEYS]
    others = [name for name in names if name == "member_logit"]  # without members it stands for no column
    others += [column.name for column in chosen if column.group not in _GROUPS]
    if others:
        raise UsageError(f"no column {others[0]!r}: expected {', '.join(_GROUPS)}, or one of their columns")
    return chosen


def frame_dataframe(frame: RecognisedFrame, columns: str | Sequence[str] | None) -> pd.DataFrame:
    """Return a row for each face; see `RecognisedFrame.to_dataframe`."""
    table = faces_dataframe(frame.faces, columns)
    table.insert(0, "frame", np.full(len(table), frame.index, np.int64))
    table.insert(1, "time_s", np.full(len(table), frame.time_s))
    return table
