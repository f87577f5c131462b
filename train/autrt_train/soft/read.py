"""Reader of other tools' values: tables, recognised by their columns, and results of `autrt infer`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from autrt.errors import UsageError
from autrt.postprocess.main_face import main_faces
from autrt.results.find import find_results
from autrt.results.reader import Results, open_results
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape
from autrt.types import F32, I64
from autrt_train.annotations.annotation_table import Table, read_table
from autrt_train.annotations.columns import numbers, whole_numbers
from autrt_train.annotations.pictures import is_picture
from autrt_train.labels.coding import NO_FRAME, NO_TRACK, texts
from autrt_train.labels.table import FILE, FRAME, TRACK
from autrt_train.soft.settings import TargetSettings
from autrt_train.soft.tools import AUTRT, TABLE, TOOLS, Tool, detect_tool
from autrt_train.soft.values import Values, concatenate, no_frame
from autrt_train.types import DataError

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet")
NAMES: Final = ("input", *FILE)
SUCCESS: Final = "success"


def read_values(settings: TargetSettings) -> tuple[str, Values]:
    """Read all values of one tool.

    A row belongs to the picture or video in its column `file` (`video`, `path`, `input`, …), or to the one with the
    table's name; and to its frame `frame`, if it is a video's. Rows with `success` = 0 have NaN.

    Args:
        settings: paths, tool and AUs.

    Returns:
        The tool's name, and its values of the chosen AUs.

    Raises:
        UsageError: there is no such tool.
        DataError: a path is missing, no table is one of the tool's, or it lacks a column; names the file.
    """
    if settings.tool is not None and settings.tool not in (*TOOLS, AUTRT):
        raise UsageError(
            f"distill.targets: tool = {settings.tool!r}: expected one of {', '.join((*TOOLS, AUTRT))}, or none: by "
            "content"
        )
    found = [part for path in settings.values for part in _read(path, settings)]
    tools = {tool for tool, _ in found}
    if not found or len(tools) > 1:
        what = f"those of {', '.join(sorted(tools))}" if tools else "none"
        raise DataError(
            f"{', '.join(escape(str(p)) for p in settings.values)}: expected values of one tool (MediaPipe's "
            f"blendshapes, OpenFace's AU01_r, py-feat's AU01, results of `autrt infer`), found {what}: see "
            "docs/distillation.md"
        )
    return tools.pop(), concatenate([values for _, values in found])


def _read(path: Path, settings: TargetSettings) -> Iterator[tuple[str, Values]]:
    """Yield the values of the files at a path."""
    if not path.exists():
        raise DataError(f"{escape(str(path))}: expected a table of values or a folder, found nothing")
    results = path.suffix == SUFFIX or (path.is_dir() and any(path.rglob(f"*{SUFFIX}")))
    if settings.tool == AUTRT or (settings.tool is None and results):
        for file, relative in find_results([path]):
            with open_results(file) as opened:
                name = relative.as_posix().removesuffix(SUFFIX)
                yield AUTRT, _of_results(opened, name, settings)
        return
    inside = (
        sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else []
    )
    for file in inside or [path]:
        table = read_table(file)
        tool = TOOLS[settings.tool] if settings.tool is not None else detect_tool(table.columns)
        if tool is None and settings.columns:
            tool = TABLE
        if tool is not None:
            yield tool.name, _of_table(table, tool, settings)


def _of_table(table: Table, tool: Tool, settings: TargetSettings) -> Values:
    columns = _columns(table, tool, settings)
    values = np.full((len(table), len(columns)), np.nan, np.float32)
    for i, some in enumerate(columns.values()):
        each = [numbers(table[column], table.path, column, table.first_line) for column in some]
        values[:, i] = np.mean(each, axis=0)
    if SUCCESS in table:
        values[numbers(table[SUCCESS], table.path, SUCCESS, table.first_line) == 0] = np.nan
    first = tool.first_frame if settings.first_frame is None else settings.first_frame
    name = _names(table)
    frame, track = _whole(table, FRAME, NO_FRAME), _whole(table, TRACK, NO_TRACK)
    video = (frame != NO_FRAME) & ~np.array([is_picture(text) for text in name], bool)
    return Values(
        au_names=tuple(columns),
        values=values,
        name=texts(name),
        frame=np.where(video, frame - first, NO_FRAME),
        track=track,
    )


def _columns(table: Table, tool: Tool, settings: TargetSettings) -> dict[str, tuple[str, ...]]:
    """Return AU → columns, of the chosen AUs."""
    named = {au: tuple(column.strip().lower() for column in some) for au, some in settings.columns.items()}
    known = tool.columns(table.columns) | named
    default = tool.default or tuple(known)
    wanted = settings.au_names or tuple(dict.fromkeys((*(au for au in default if au in known), *named)))
    for au in wanted:
        lacking = [column for column in known.get(au, ()) if column not in table]
        if au not in known or lacking:
            raise DataError(
                f"{escape(str(table.path))}: expected {', '.join(lacking) or f'a column for {au}'} for {au}, found "
                f"{', '.join(table.columns)[:200]}: name its columns (columns.{au}), or leave it out (au_names)"
            )
    return {au: known[au] for au in wanted}


def _names(table: Table) -> list[str]:
    """Return the picture or video of each row."""
    column = next((name for name in NAMES if name in table), None)
    if column is None:
        return [table.path.stem] * len(table)
    return ["" if value is None else str(value).strip() for value in table[column]]


def _whole(table: Table, names: tuple[str, ...], missing: int) -> I64:
    """Return (N,) int64 the first of these columns that exists; `missing` for empty cells or without one."""
    column = next((name for name in names if name in table), None)
    if column is None:
        return np.full(len(table), missing, np.int64)
    empty = np.isnan(numbers(table[column], table.path, column, table.first_line))
    filled = [0 if blank else value for value, blank in zip(table[column], empty.tolist(), strict=True)]
    found = whole_numbers(filled, table.path, column, table.first_line)
    return np.where(empty, missing, found).astype(np.int64)


def _of_results(results: Results, name: str, settings: TargetSettings) -> Values:
    """Return the smoothed probabilities of every track, and again of the main face of each frame."""
    names = results.header.au_names
    wanted = settings.au_names or names
    if strange := [au for au in wanted if au not in names]:
        raise DataError(f"the results of {escape(name)} have no {strange[0]}: found {', '.join(names)}")
    faces = results.faces
    at = [names.index(au) for au in wanted]
    smoothed: F32 = faces["smoothed"][:, at].astype(np.float32)
    frame = results.frames["index"][faces["frame"]].astype(np.int64)
    if results.header.source.kind == "still":
        frame = no_frame(len(frame))
    main = main_faces(faces["frame"], faces["track"], faces["box"])
    track = np.concatenate([faces["track"].astype(np.int64), np.full(int(main.sum()), NO_TRACK, np.int64)])
    return Values(
        au_names=tuple(wanted),
        values=np.concatenate([smoothed, smoothed[main]]),
        name=texts([name] * len(track)),
        frame=np.concatenate([frame, frame[main]]),
        track=track,
    )
