"""Arrays on disk that are filled in chunks; a writer that was killed continues after its last complete chunk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.atomic_file import replacing
from autrt.storage.disk import writing
from autrt.types import F32

SCHEMA: Final = "autrt-teacher/1"
FACTS: Final = "done.json"


class ChunkedArrays:
    """Float32 arrays with the same number of rows, in one `<name>.npy` each, memory-mapped for reading.

    Args:
        folder: of these arrays only; arrays of other shapes in it are overwritten.
        shapes: name → shape of one row.
        rows: of every array.
    """

    def __init__(self, folder: Path, shapes: Mapping[str, tuple[int, ...]], rows: int) -> None:
        self.folder, self.rows = folder, rows
        self._shapes = {name: (rows, *shape) for name, shape in shapes.items()}
        self.done = self._rows_found()
        """Rows written so far, from the first on."""

    def write(self, values: Mapping[str, F32]) -> None:
        """Append rows.

        Args:
            values: float32 (n, …) for every array, finite or not.

        Raises:
            DiskFullError: no space is left; the rows written so far stay.
            ResultsError: the folder cannot be written.
        """
        if not self.done:
            self._begin()
        for name, shape in self._shapes.items():
            block = np.ascontiguousarray(values[name], np.float32)
            path = self._path(name)
            with writing(path), path.open("r+b") as stream:
                stream.seek(self._offset(name) + self.done * _row_bytes(shape))
                stream.write(block.tobytes())
                stream.flush()
                os.fsync(stream.fileno())
        self.done += len(next(iter(values.values())))
        self._write_facts()

    def arrays(self) -> dict[str, F32]:
        """Return name → float32 (rows, …), memory-mapped and read-only."""
        return {name: np.load(self._path(name), mmap_mode="r", allow_pickle=False) for name in self._shapes}

    def _begin(self) -> None:
        """Create files of full length filled with zeros."""
        for name, shape in self._shapes.items():
            with replacing(self._path(name)) as part, part.open("r+b") as stream:
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, header)
                stream.truncate(stream.tell() + shape[0] * _row_bytes(shape))

    def _rows_found(self) -> int:
        try:
            facts = json.loads((self.folder / FACTS).read_bytes())
            same = facts["arrays"] == {name: list(shape) for name, shape in self._shapes.items()}
            whole = all(array.shape == self._shapes[name] for name, array in self.arrays().items())
            return int(facts["done"]) if same and whole and facts["schema"] == SCHEMA else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _write_facts(self) -> None:
        arrays = {name: list(shape) for name, shape in self._shapes.items()}
        facts = {"schema": SCHEMA, "done": self.done, "arrays": arrays}
        with replacing(self.folder / FACTS) as part:
            part.write_text(json.dumps(facts) + "\n")

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _offset(self, name: str) -> int:
        """Return the number of bytes before the first row."""
        return self._path(name).stat().st_size - self.rows * _row_bytes(self._shapes[name])


def _row_bytes(shape: tuple[int, ...]) -> int:
    return 4 * int(np.prod(shape[1:]))
