"""One table of a results file, read column by column."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5o  # pyright: ignore[reportAttributeAccessIssue]

from autrt.errors import ResultsError
from autrt.results.schema import COLUMNS
from autrt.storage.escape import escape

Array = np.ndarray[Any, Any]


class Table:
    """Columns of equal length in a results file: `table["score"]` reads one, `table["score", 10:20]` some rows."""

    def __init__(self, file: Any, name: str, path: Path) -> None:
        self._file = file
        self._name = name
        self._path = path

    @cached_property
    def _datasets(self) -> dict[str, Any]:
        self._require_open()
        try:
            group = self._file[self._name]
            if not isinstance(group, h5py.Group):
                raise file_error(
                    self._path, f"/{self._name}: expected a group of columns, found something else"
                )
            # Not through the group's items: it would open the file once more for each of them.
            names = [str(name) for name in group]
            every = {name: h5o.open(group.id, name.encode()) for name in names}
            found: dict[str, Any] = {
                name: h5py.Dataset(item, readonly=True)
                for name, item in every.items()
                if isinstance(item, h5d.DatasetID)
            }
        except (OSError, RuntimeError, LookupError, ValueError) as error:
            raise file_error(self._path, f"/{self._name} cannot be opened: {error}") from error
        place = {column.name: i for i, column in enumerate(c for c in COLUMNS if c.table == self._name)}
        return {name: found[name] for name in sorted(found, key=lambda name: place.get(name, len(place)))}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._datasets)

    def __len__(self) -> int:
        return min(map(len, self._datasets.values()), default=0)

    def __contains__(self, name: str) -> bool:
        return name in self._datasets

    def __getitem__(self, key: str | tuple[str, slice]) -> Array:
        """Read a column, or the rows of a slice of it; text is returned as `str`.

        Raises:
            ResultsError: there is no such column, its bytes are damaged, or the file is closed.
        """
        name, rows = key if isinstance(key, tuple) else (key, slice(None))
        array = self.raw(name, rows)
        return np.char.decode(array, "utf-8", "replace").astype(object) if array.dtype.kind == "S" else array

    def raw(self, name: str, rows: slice) -> Array:
        """Read rows of a column, with text as bytes."""
        dataset = self.dataset(name)
        self._require_open()
        try:
            return dataset[rows]
        except OSError as error:
            raise file_error(self._path, f"{dataset.name} is damaged ({error})") from error

    def dataset(self, name: str) -> Any:
        """Return the h5py dataset of a column.

        Raises:
            ResultsError: there is no such column.
        """
        if name not in self._datasets:
            raise file_error(
                self._path, f"/{self._name} has no column {name!r}; it has {', '.join(self.columns)}"
            )
        return self._datasets[name]

    def _require_open(self) -> None:
        if not self._file:
            raise file_error(
                self._path, "the results are closed: read what you need inside `with autrt.open_results(…)`"
            )


def file_error(path: Path, what: str) -> ResultsError:
    """Return an error on one line that names the file and the problem."""
    return ResultsError(f"{escape(str(path))}: {' '.join(what.split())}")
