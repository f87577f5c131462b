"""The parts of a data set that must be written, so that it follows the results files."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from autrt.errors import ResultsError, UsageError
from autrt.results.dataset.layout import TABLES, of_table, part_files, part_id_of
from autrt.storage.escape import escape

PART_BYTES: Final = 256 << 20
"""Size of the results files that make one part; this is also what one changed file costs."""

PART_FILES: Final = 2048
"""Most results files of a part."""

_SMALL: Final = 0.25
"""Share up to which a part is filled up with new results, so that small additions don't make many parts."""

_STATE: Final = ["results", "results_size_bytes", "results_mtime_ns"]
"""Columns of `videos` that say which files a part consists of."""


class ResultsFile(NamedTuple):
    """A results file and its state, by which a change is seen without opening it."""

    name: str
    """Path relative to the folder of results, escaped."""
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """A part to be written."""

    part_id: str
    files: tuple[ResultsFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPlan:
    """The work that makes a data set follow the results files: first the removals, then the new parts.

    So a data set never holds a row twice; where the work is interrupted it lacks some until it is done again.
    """

    removed: tuple[str, ...]
    """IDs of parts whose results changed or are gone, or that are filled up."""
    parts: tuple[NewPart, ...]
    n_new: int
    n_changed: int
    n_gone: int
    n_kept: int
    """Results files whose rows are there already."""


def plan_parts(out: Path, files: Sequence[ResultsFile]) -> DatasetPlan:
    """Compare a data set with the results files that it is to hold.

    Args:
        out: folder of the data set; need not exist.
        files: all results files.

    Raises:
        UsageError: the data set holds other results, none of these.
        ResultsError: a part cannot be read.
    """
    parts = _parts(out)
    wanted = {file.name: file for file in files}
    known = {file.name: file for part in parts.values() for file in part}
    if known and not known.keys() & wanted.keys():
        raise UsageError(
            f"{escape(str(out))} is the data set of other results, such as {next(iter(known))}: choose another "
            "folder"
        )
    new = [file for file in files if file.name not in known]
    gone = known.keys() - wanted.keys()
    changed = {name for name, file in known.items() if name not in gone and wanted[name] != file}
    removed = {part_id for part_id, part in parts.items() if any(f.name in changed | gone for f in part)}
    if new:
        removed |= {part_id for part_id, part in parts.items() if _fill(part) <= _SMALL}
    again = [wanted[f.name] for part_id in removed for f in parts[part_id] if f.name in wanted]
    return DatasetPlan(
        removed=tuple(sorted(removed)),
        parts=tuple(
            NewPart(part_id=secrets.token_hex(8), files=tuple(group))
            for group in _grouped(sorted({*new, *again}))
        ),
        n_new=len(new),
        n_changed=len(changed),
        n_gone=len(gone),
        n_kept=len(known) - len(changed) - len(gone),
    )


def remove_parts(out: Path, part_ids: Iterable[str]) -> None:
    """Remove parts, and the files of unfinished ones."""
    unwanted = set(part_ids)
    for path in part_files(out, "videos"):
        if part_id_of(path) in unwanted:
            path.unlink()
    for table in TABLES[:-1]:
        for path in part_files(out, table):
            if not of_table(path, "videos").exists():
                path.unlink()


def _parts(out: Path) -> dict[str, list[ResultsFile]]:
    """Return the results files of each part, by its ID."""
    found: dict[str, list[ResultsFile]] = {}
    for path in part_files(out, "videos"):
        try:
            with pq.ParquetFile(path) as file:
                rows = file.read(_STATE).to_pydict()
        except (OSError, KeyError, pa.ArrowException) as error:
            raise ResultsError(
                f"{escape(str(path))} is no part of a data set ({error}): delete it and run the same again"
            ) from error
        found.setdefault(part_id_of(path), []).extend(map(ResultsFile, *(rows[name] for name in _STATE)))
    return found


def _fill(part: Sequence[ResultsFile]) -> float:
    """Return how full a part is."""
    return max(len(part) / PART_FILES, sum(file.size_bytes for file in part) / PART_BYTES)


def _grouped(files: Sequence[ResultsFile]) -> list[list[ResultsFile]]:
    """Return the files in groups that each make a part; a file may be larger than a part."""
    groups: list[list[ResultsFile]] = []
    n_bytes = 0
    for file in files:
        n_bytes += file.size_bytes
        if not groups or len(groups[-1]) == PART_FILES or n_bytes > PART_BYTES:
            groups.append([])
            n_bytes = file.size_bytes
        groups[-1].append(file)
    return groups
