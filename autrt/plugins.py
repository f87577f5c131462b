"""Parts that other packages bring: engines, decoders, architectures and columns, by their entry points.

An entry point is a line of a package's pyproject.toml; docs/extending.md has examples. It is found in every process
that has the package installed, the worker processes of a run too.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Final

ENGINES: Final = "autrt.engines"
"""Name of an engine → function that opens it: (graph, options, cache folder or None) → `Engine`."""

DECODERS: Final = "autrt.decoders"
"""File name suffix without the dot → function that opens such a file: (path) → `Decoder`."""

ARCHITECTURES: Final = "autrt.architectures"
"""Name of an architecture → function that builds a network of it: (configuration) → `torch.nn.Module`."""

COLUMNS: Final = "autrt.columns"
"""Name of a network's output → the `Column` of `/faces` that holds it."""


@cache
def plugins(group: str) -> dict[str, str]:
    """Return name → "module:attribute" of every part that installed packages bring.

    Args:
        group: one of the constants above.
    """
    return {found.name: found.value for found in entry_points(group=group)}
