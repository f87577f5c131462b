"""Verification of a results file: checksums, layout, and consistency of its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError
from autrt.results.attributes import attribute_problems
from autrt.results.hdf5_attributes import Attributes, all_attributes, text_of
from autrt.results.reader import Results, open_results
from autrt.results.schema import COLUMNS, Column
from autrt.results.table import Table
from autrt.results.verification.invariants import broken_invariants
from autrt.storage.escape import escape

_BROKEN: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)
"""Exceptions that h5py raises over a broken file structure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Result of verifying one file."""

    problems: tuple[str, ...]
    """One message for each kind of fault, with its first place; empty for a sound file."""
    frames: int = 0
    faces: int = 0
    tracks: int = 0


def verify_file(path: Path | str) -> VerifyResult:
    """Read a whole results file and check it.

    Checksums reveal damaged bytes, the layout is compared with the schema, and the columns with each other.
    """
    try:
        with open_results(path) as results:
            # The contents are checked only if the layout is right, which those checks rely on.
            attributes = all_attributes(results.file)
            problems = _layout(results, attributes) or [
                *_digests(results, attributes),
                *broken_invariants(results, attributes),
            ]
            return VerifyResult(
                problems=tuple(problems),
                frames=results.n_frames,
                faces=results.n_faces,
                tracks=len(results.tracks),
            )
    except ResultsError as error:
        return VerifyResult(problems=(str(error).removeprefix(f"{escape(str(path))}: "),))
    except _BROKEN as error:
        return VerifyResult(problems=(f"the file cannot be read: {' '.join(str(error).split())}",))


def verify(path: Path | str) -> list[str]:
    """Return the problems that `verify_file` finds."""
    return list(verify_file(path).problems)


def _layout(results: Results, attributes: Attributes) -> list[str]:
    found = [problem for column in COLUMNS if (problem := _column_fault(results, column, attributes))]
    for table in (results.frames, results.faces, results.tracks, results.lost):
        lengths = {name: len(table.dataset(name)) for name in table.columns}
        if len(set(lengths.values())) > 1:
            found.append(f"columns of one table differ in length: {lengths}")
    return found


def _column_fault(results: Results, column: Column, attributes: Attributes) -> str | None:
    table: Table = getattr(results, column.table)
    if column.name not in table or not table.dataset(column.name).shape:
        return None if column.optional and not _required(results, column) else f"/{column.path} is missing"
    dataset = table.dataset(column.name)
    header = results.header
    width = dataset.shape[-1]  # of features, which any network may have another number of
    shape = column.shape(len(header.au_names), len(header.member_names), width)
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
    about = attributes[column.path]
    if text_of(about, "unit") != column.unit or not text_of(about, "description"):
        return f"/{column.path}: expected unit {column.unit!r} and a description"
    return None


def _required(results: Results, column: Column) -> bool:
    return column.path == "tracks/baseline" and results.header.baseline != "none"


def _digests(results: Results, attributes: Attributes) -> Iterator[str]:
    yield from attribute_problems(attributes, results.attributes)
    if results.run_digest != results.header.run_digest:
        yield "run_digest is not that of the fingerprint, model and settings"
