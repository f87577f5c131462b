"""Results files read among others, where a damaged one must cost itself alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from autrt.results.reader import Results, open_results
from autrt.results.table import fault

_BROKEN: Final = (OSError, RuntimeError, ArithmeticError, LookupError, ValueError, TypeError, MemoryError)
"""What h5py and NumPy raise over a broken structure."""


@contextmanager
def reading(path: Path) -> Generator[Results]:
    """Results that are open for a block that only reads them.

    Raises:
        ResultsError: they are no whole results file, or turn out to be damaged within the block.
    """
    with open_results(path) as results:
        try:
            yield results
        except _BROKEN as error:
            raise fault(path, f"it cannot be read, `autrt verify` may say more: {error}") from error
