"""Reads a results file whole and looks for anything that does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py

from autrt.errors import ResultsError
from autrt.results.attributes import contradictions, read_attributes
from autrt.results.hdf5_attributes import get_text
from autrt.results.invariants import broken_invariants
from autrt.results.names import escape
from autrt.results.reader import Results, open_results
from autrt.results.schema import COLUMNS, Column

_BROKEN: Final = (OSError, RuntimeError, KeyError, ValueError, MemoryError)
"""What h5py raises over a broken structure."""


def verify(path: Path | str) -> list[str]:
    """Every kind of fault found in a results file, each with its first place; empty for a sound file.

    Reads all bytes (checksums catch rot), compares with the schema, and checks what must hold between columns.
    """
    try:
        with open_results(path) as results:
            # Contents are only looked at where shapes are right: the checks rely on them.
            return _layout(results) or [*_digests(results), *broken_invariants(results)]
    except ResultsError as error:
        return [str(error).removeprefix(f"{escape(str(path))}: ")]
    except _BROKEN as error:
        return [f"the file cannot be read: {' '.join(str(error).split())}"]


def _layout(results: Results) -> list[str]:
    found = [problem for column in COLUMNS if (problem := _column_fault(results, column))]
    for table in (results.frames, results.faces, results.tracks, results.lost):
        lengths = {name: len(table.dataset(name)) for name in table.columns}
        if len(set(lengths.values())) > 1:
            found.append(f"columns of one table differ in length: {lengths}")
    return found


def _column_fault(results: Results, column: Column) -> str | None:
    dataset = results.file.get(column.path)
    if not isinstance(dataset, h5py.Dataset) or not dataset.shape:
        return None if column.optional and not _required(results, column) else f"/{column.path} is missing"
    header = results.header
    shape = column.shape(len(header.au_names), len(header.member_names))
    is_text = column.dtype == "text"
    if dataset.shape[1:] != shape or (
        dataset.dtype.kind != "S" if is_text else dataset.dtype != column.dtype
    ):
        return (
            f"/{column.path}: expected rows of {column.dtype} {shape}, "
            f"found {dataset.dtype} {dataset.shape[1:]}"
        )
    if dataset.chunks and not dataset.fletcher32:
        return f"/{column.path} has no checksums"
    if get_text(dataset, "unit") != column.unit or not get_text(dataset, "description"):
        return f"/{column.path}: expected unit {column.unit!r} and a description"
    return None


def _required(results: Results, column: Column) -> bool:
    return column.path == "tracks/baseline" and results.header.baseline != "none"


def _digests(results: Results) -> Iterator[str]:
    yield from contradictions(results.file, read_attributes(results.file))
    if results.run_digest != results.header.run_digest:
        yield "run_digest is not that of the fingerprint, model and settings"
