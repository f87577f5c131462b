"""Tables of results files: one of several, or one of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError, UsageError
from autrt.results.names import file_name
from autrt.results.reader import Results, open_results
from autrt.results.reading import reading
from autrt.results.schema import SUFFIX
from autrt.results.tables.columns import ALL, BRIEF
from autrt.results.tables.formats import find_format
from autrt.results.tables.layout import TableLayout, layout_of
from autrt.results.tables.openface import NEEDS
from autrt.results.tables.rows import Rows, read_rows
from autrt.storage.escape import escape

_COLUMNS: Final = {"csv": BRIEF, "openface": NEEDS, "parquet": ALL}
"""What of `/faces` a format holds where nothing is chosen."""


def export_table(
    fmt: str,
    target: Path,
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    *,
    faces_only: bool = False,
) -> tuple[TableLayout | None, list[str]]:
    """Write one table of all the results, whole or not at all; damaged results are left out.

    Memory stays flat: rows are read and written a few thousand frames at a time.

    Args:
        fmt: csv, openface or parquet.
        target: the file to write; one that is there is replaced.
        paths: results files.
        columns: see `columns.table_columns`; the format's own choice if left out.
        faces_only: leave out frames without a face.

    Returns:
        What the table looks like (None where no results were whole: then nothing is written), and what is wrong
        with each of the results that were left out.

    Raises:
        UsageError: no such column, or two of the results are of videos of one name.
        MissingDependencyError: the format needs a package that is not installed.
        DiskFullError, ResultsError: `target` cannot be written.
    """
    write = find_format(fmt)
    source, bad = _Source(paths), []
    wanted = _COLUMNS[fmt] if columns is None else columns
    # What is damaged inside shows only while it is read, when other rows of it are written: then all starts anew.
    while True:
        layout = layout_of(source.each(bad), wanted, faces_only=faces_only)
        if not source.paths:
            return None, bad
        try:
            write(layout, target, source.rows(layout))
        except _DamagedError as error:
            bad.append(str(error))
            source.paths.remove(error.path)
        else:
            return layout, bad


def one_each(found: Sequence[tuple[Path, Path]], out: Path | None, suffix: str) -> dict[Path, list[Path]]:
    """A table for each results file: target → its one results file.

    Args:
        found: see `find.find_results`.
        out: folder to write below; beside the results if left out.
        suffix: of the tables.

    Raises:
        UsageError: two results would have one target.
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
    """These results, not the table, are at fault."""

    def __init__(self, path: Path, error: ResultsError) -> None:
        super().__init__(str(error))
        self.path = path


class _Source:
    """The results that have been whole so far."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)

    def each(self, bad: list[str]) -> Iterator[Results]:
        """Open one after the other; what can't be opened is noted in `bad` and never tried again."""
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
        """All their rows."""
        for path in self.paths:
            try:
                with reading(path) as results:
                    yield from read_rows(results, layout.columns, layout.faces_only)
            except ResultsError as error:
                raise _DamagedError(path, error) from error


def _opened(path: Path) -> Results:
    """Open results and what their layout is made of: tables are opened when they are first looked at."""
    results = open_results(path)
    try:
        for table in (results.frames, results.faces):
            len(table)
    except ResultsError:
        results.close()
        raise
    return results
