"""Export of results files as tables: one table of several files, or one of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError, UsageError
from autrt.results.names import file_name
from autrt.results.open_guarded import open_guarded
from autrt.results.reader import Results, open_results
from autrt.results.schema import SUFFIX
from autrt.results.tables.columns import CSV_GROUPS
from autrt.results.tables.formats import find_format
from autrt.results.tables.layout import TableLayout, make_layout
from autrt.results.tables.openface import OPENFACE_GROUPS
from autrt.results.tables.rows import Rows, read_rows
from autrt.storage.escape import escape

_COLUMNS: Final = {"csv": CSV_GROUPS, "openface": OPENFACE_GROUPS, "parquet": None}
"""Format → default columns of `/faces`; None: all but the members' logits."""


def export_table(
    fmt: str,
    target: Path,
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    *,
    faces_only: bool = False,
    min_quality: float | None = None,
) -> tuple[TableLayout | None, list[str]]:
    """Write one table of several results files, whole or not at all; damaged files are left out.

    Rows are read and written a few thousand frames at a time, in constant memory.

    Args:
        fmt: csv, openface or parquet.
        target: the file to write; an existing one is replaced.
        paths: results files.
        columns: see `columns.table_columns`; default: the format's own.
        faces_only: leave out frames without a face.
        min_quality: leave out faces of less quality; results without qualities are left out.

    Returns:
        The table's layout, and an error message for each results file that was left out. If all were, nothing
        is written and the layout is None.

    Raises:
        UsageError: there is no such column, or two results files have the same source path.
        MissingDependencyError: the format needs a package that is not installed.
        DiskFullError, ResultsError: `target` cannot be written.
    """
    write = find_format(fmt)
    source, bad = _ReadableResults(paths), []
    wanted = chosen_columns(fmt, columns)
    # Damage to columns shows only while their rows are being written; then the whole table is written again.
    while True:
        layout = make_layout(source.each(bad), wanted, faces_only=faces_only, min_quality=min_quality)
        if not source.paths:
            return None, bad
        try:
            write(layout, target, source.rows(layout))
        except _DamagedError as error:
            bad.append(str(error))
            source.paths.remove(error.path)
        else:
            return layout, bad


def chosen_columns(fmt: str, columns: Sequence[str] | None) -> Sequence[str] | None:
    """Return the given columns of `/faces`, or the format's own; None stands for all but the members' logits."""
    return _COLUMNS[fmt] if columns is None else columns


def table_paths(found: Sequence[tuple[Path, Path]], out: Path | None, suffix: str) -> dict[Path, list[Path]]:
    """Return the paths of tables for single results files: target → its results file.

    Args:
        found: results files and their relative paths (`find.find_results`).
        out: folder to write to; None: beside the results.
        suffix: of the tables.

    Raises:
        UsageError: two results files would have the same target.
    """
    jobs: dict[Path, list[Path]] = {}
    for path, relative in found:
        folder = path.parent if out is None else (out / relative).parent
        target = folder / file_name(path.name.removesuffix(SUFFIX), suffix)
        if jobs.setdefault(target, [path]) != [path]:
            raise UsageError(
                f"{escape(str(jobs[target][0]))} and {escape(str(path))} would both become "
                f"{escape(str(target))}: export them to different --out folders"
            )
    return jobs


class _DamagedError(Exception):
    """A results file turned out to be damaged while its rows were read."""

    def __init__(self, path: Path, error: ResultsError) -> None:
        super().__init__(str(error))
        self.path = path


class _ReadableResults:
    """Results files that have not been found damaged so far."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)

    def each(self, bad: list[str]) -> Iterator[Results]:
        """Yield each opened file; one that can't be opened is reported in `bad` and dropped from `paths`."""
        for path in list(self.paths):
            try:
                results = _opened(path)
            except ResultsError as error:
                bad.append(str(error))
                self.paths.remove(path)
                continue
            with results:
                yield results

    def rows(self, layout: TableLayout) -> Iterator[Rows]:
        """Yield the rows of all files."""
        for path in self.paths:
            try:
                with open_guarded(path) as results:
                    yield from read_rows(results, layout.columns, layout.faces_only, layout.min_quality)
            except ResultsError as error:
                raise _DamagedError(path, error) from error


def _opened(path: Path) -> Results:
    """Open a results file with its frames and faces tables, so that damage to them shows here."""
    results = open_results(path)
    try:
        for table in (results.frames, results.faces):
            len(table)
    except ResultsError:
        results.close()
        raise
    return results
