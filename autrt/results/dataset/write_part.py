"""Writing one part of a data set: three Parquet files for each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa

from autrt.errors import AutrtError, ResultsError
from autrt.results.dataset.layout import part_path, partition
from autrt.results.dataset.plan import NewPart, ResultsFile
from autrt.results.dataset.tables import VIDEOS, ModelTables, video_row
from autrt.results.open_guarded import open_guarded
from autrt.results.reader import Results
from autrt.results.tables.parquet import write_parquet
from autrt.storage.escape import unescape

ROW_GROUP_ROWS: Final = 122_880
"""DuckDB's own size of a row group; with 12 AUs about 10 MB, compressed, of the 128 MB that Spark reads at once."""


RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPart:
    """The end of one part."""

    files: int = 0
    """Results files whose rows it holds."""
    rows: int = 0
    """Rows of `faces`."""
    bad: tuple[str, ...] = ()
    """An error for each results file that was left out."""
    error: AutrtError | None = None
    """What ended the work, where it is no results file's fault."""


def write_part(part: NewPart, *, folder: Path, out: Path) -> WrittenPart:
    """Write a part; results files that cannot be read are left out.

    Args:
        part: the results files.
        folder: of the results.
        out: folder of the data set.
    """
    files, bad = list(part.files), []
    try:
        while True:
            try:
                rows = sum(
                    _write_model(some, folder, lambda table, p=name: part_path(out, table, p, part.part_id))
                    for name, some in _by_partition(files, folder).items()
                )
            except _DamagedError as error:  # damage may show only when rows are read: all is written again
                bad.append(str(error))
                files.remove(error.file)
            else:
                return WrittenPart(files=len(files), rows=rows, bad=tuple(bad))
    except AutrtError as error:
        return WrittenPart(error=error, bad=tuple(bad))


class _DamagedError(Exception):
    """A results file cannot be read."""

    def __init__(self, file: ResultsFile, error: ResultsError) -> None:
        super().__init__(str(error))
        self.file = file


def _write_model(files: list[ResultsFile], folder: Path, path_of: Callable[[str], Path]) -> int:
    """Write the three files for the results of one model, `videos` last; return the rows of `faces`."""
    tables = next(_each(files[:1], folder, lambda _, results: iter([ModelTables(results)])))
    tracks: list[pa.Table] = []
    videos: list[dict[str, Any]] = []

    def face_rows(file: ResultsFile, results: Results) -> Iterator[pa.Table]:
        yield from tables.face_rows(file, results)
        tracks.append(tables.track_rows(file, results))
        videos.append(video_row(file, results))

    n_rows = write_parquet(path_of("faces"), tables.faces, _each(files, folder, face_rows), ROW_GROUP_ROWS)
    write_parquet(path_of("tracks"), tables.tracks, tracks, ROW_GROUP_ROWS)
    write_parquet(path_of("videos"), VIDEOS, [pa.Table.from_pylist(videos, schema=VIDEOS)], ROW_GROUP_ROWS)
    return n_rows


def _by_partition(files: list[ResultsFile], folder: Path) -> dict[str, list[ResultsFile]]:
    found: dict[str, list[ResultsFile]] = {}
    for file, name in _each(files, folder, lambda file, results: iter([(file, partition(results.header))])):
        found.setdefault(name, []).append(file)
    return found


def _each(
    files: list[ResultsFile], folder: Path, read: Callable[[ResultsFile, Results], Iterator[RowT]]
) -> Iterator[RowT]:
    """Yield what is read from each file.

    Raises:
        _DamagedError: a file cannot be read.
    """
    for file in files:
        try:
            with open_guarded(folder / unescape(file.name)) as results:
                yield from read(file, results)
        except ResultsError as error:
            raise _DamagedError(file, error) from error
