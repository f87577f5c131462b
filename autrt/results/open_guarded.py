"""Context manager that turns errors over damaged results into `ResultsError`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from autrt.results.reader import Results, open_results
from autrt.results.table import file_error

_BROKEN: Final = (OSError, RuntimeError, ArithmeticError, LookupError, ValueError, TypeError, MemoryError)
"""Exceptions that h5py and NumPy raise over a damaged file."""


@contextmanager
def open_guarded(path: Path) -> Generator[Results]:
    """Open a results file for a block that only reads it.

    Use it to read many files of which some may be damaged: an error in the block counts as damage to this file.

    Raises:
        ResultsError: the file cannot be opened, or the block fails to read it.
    """
    with open_results(path) as results:
        try:
            yield results
        except _BROKEN as error:
            raise file_error(path, f"it cannot be read, `autrt verify` may say more: {error}") from error
