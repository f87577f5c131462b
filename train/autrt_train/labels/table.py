"""Reader of plain tables (CSV, TSV, Parquet): a row per frame, picture or interval, a column per AU (and coder)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt.types import F64, I64
from autrt_train.annotations.annotation_table import Table
from autrt_train.annotations.columns import au_name, numbers, whole_numbers
from autrt_train.labels.coding import NO_FRAME, Coding, concatenate, parse_level
from autrt_train.types import DataError

FILE: Final = ("file", "video", "path", "filename", "file_name", "image", "picture", "media", "clip")
FRAME: Final = ("frame", "frame_index", "frame_number")
TIME: Final = ("time_s", "time", "timestamp", "seconds")
ONSET: Final = ("onset", "onset_s", "start", "start_s")
OFFSET: Final = ("offset", "offset_s", "stop", "stop_s", "end", "end_s")
PERSON: Final = ("person", "subject", "participant", "id", "person_id", "subject_id")
CODER: Final = ("coder", "rater", "annotator")
TRACK: Final = ("track",)

HIGHEST: Final = 5.0
"""Level E of FACS, and the maximum of all scales in use."""

_COLUMN: Final = re.compile(r"(au\s?0*[1-9][0-9]?)(?:[_ .-]([a-z0-9]+))?", re.ASCII)


def au_columns(table: Table) -> dict[str, dict[str, str]]:
    """Return coder (empty if none is named) → AU → column.

    `AU1_a` and `AU1_b` are columns of two coders. `AU01_c` is OpenFace's presence, with or without `AU01_r`
    beside it.
    """
    found = [(column, match) for column in table.columns if (match := _COLUMN.fullmatch(column))]
    suffixes = {match[2] for _, match in found if match[2]}
    openface = bool(suffixes) and suffixes <= {"c", "r"}
    wanted = ("c",) if openface and "c" in suffixes else tuple(suffixes)
    out: dict[str, dict[str, str]] = {}
    for column, match in found:
        if not match[2] or match[2] in wanted:
            coder = "" if openface or not match[2] else match[2]
            au = au_name(match[1])
            assert au is not None
            out.setdefault(coder, {}).setdefault(au, column)
    return out


def read(table: Table, every_s: float, first_frame: int = 0) -> Coding:
    """Read a table.

    A row is of the file in the column `file` (or `video`, `path`, …; default: the video that has the table's
    name), and of the frame in `frame`, the time in `time_s`, or the interval from `onset` to `offset`
    (seconds); without any of these it is of a picture. Further columns: `person`, `track`, `coder`.

    Args:
        table: has AU columns: 0 absent, 1 and higher present; −1, `?` or nothing for unknown.
        every_s: seconds between the moments that are sampled within an interval.
        first_frame: number of a video's first frame.

    Raises:
        DataError: a value is not a code, number or time; names file and line.
    """
    columns = au_columns(table)
    video = _texts(table, FILE) or [table.path.stem] * len(table)
    if "" in video:
        line = video.index("") + table.first_line
        raise DataError(f"{escape(str(table.path))}, line {line}: expected a file's name, found nothing")
    own_coder = _texts(table, CODER)
    parts = [
        _of_coder(table, aus, video, own_coder or [coder] * len(table), first_frame)
        for coder, aus in columns.items()
    ]
    whole = concatenate(parts)
    onset, offset = (_named(table, names) for names in (ONSET, OFFSET))
    if onset is None or offset is None:
        return whole
    interval = np.stack([numbers(table[c], table.path, c, table.first_line) for c in (onset, offset)], axis=1)
    return _sample_intervals(whole, np.tile(interval, (len(parts), 1)), every_s)


def _of_coder(
    table: Table, aus: dict[str, str], video: Sequence[str], coder: Sequence[str], first_frame: int
) -> Coding:
    codes = np.stack([_codes(table, column) for column in aus.values()], axis=1)
    frame, time, track = (_named(table, names) for names in (FRAME, TIME, TRACK))
    return Coding.of(
        tuple(aus),
        codes.astype(np.float32),
        video,
        frame=None if frame is None else _frames(table, frame, first_frame),
        time_s=None if time is None else numbers(table[time], table.path, time, table.first_line),
        person=_texts(table, PERSON),
        coder=coder,
        track=None if track is None else _whole(table, track),
    )


def _sample_intervals(whole: Coding, interval: F64, every_s: float) -> Coding:
    """Return rows of intervals as rows of the moments sampled within them."""
    rows: list[int] = []
    times: list[float] = []
    for row, (start_s, stop_s) in enumerate(interval.tolist()):
        if np.isnan(start_s) or np.isnan(stop_s):
            continue
        grid = np.arange(np.ceil(start_s / every_s), np.floor(stop_s / every_s) + 1) * every_s
        moments = np.unique(np.append(grid, (start_s + stop_s) / 2).round(4)).tolist()
        rows += [row] * len(moments)
        times += moments
    out = whole.take(np.array(rows, np.int64))
    return replace(out, time_s=np.array(times), frame=np.full(len(rows), NO_FRAME, np.int64))


def _named(table: Table, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in table), None)


def _texts(table: Table, names: Sequence[str]) -> list[str] | None:
    name = _named(table, names)
    return None if name is None else ["" if v is None else str(v).strip() for v in table[name]]


def _frames(table: Table, column: str, first_frame: int) -> I64:
    """Return (N,) int64 frames from 0; `NO_FRAME` for empty cells, as in rows of pictures."""
    empty = np.isnan(numbers(table[column], table.path, column, table.first_line))
    filled = [0 if blank else value for value, blank in zip(table[column], empty.tolist(), strict=True)]
    found = whole_numbers(filled, table.path, column, table.first_line)
    return np.where(empty, NO_FRAME, found - first_frame).astype(np.int64)


def _whole(table: Table, column: str) -> I64:
    return whole_numbers(table[column], table.path, column, table.first_line).astype(np.int64)


def _codes(table: Table, column: str) -> F64:
    """Return (N,) float64 codes of a column; every distinct text is parsed once."""
    texts = ["" if value is None else str(value).strip() for value in table[column]]
    values = {text: np.nan if text in ("", "nan") else parse_level(text) for text in set(texts)}
    codes = np.array([values[text] for text in texts], np.float64).reshape(-1)
    wrong = codes > HIGHEST
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{escape(str(table.path))}, line {row + table.first_line}: {column}: expected a code from 0 (absent) "
            f"to {HIGHEST:g}, a letter A to E, or ? (also -1, or nothing) for what cannot be judged; found "
            f"{texts[row]!r}"
        )
    return codes
