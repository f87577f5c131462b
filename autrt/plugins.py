"""Parts that other packages bring: engines, decoders, architectures and columns, by their entry points.

An entry point is a line of a package's pyproject.toml; docs/extending.md has examples. It is found in every process
that has the package installed, the worker processes of a run too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
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
    return {name: found.value for name, found in _entry_points(group).items()}


def plugin_settings(group: str, names: Iterable[str]) -> dict[str, str]:
    """Return "plugins.GROUP.NAME" → "package version" of the parts that installed packages bring.

    They are settings that change results: another version of a package may compute other numbers.

    Args:
        group: one of the constants above.
        names: of parts in use; autrt's own have no entry.
    """
    found = _entry_points(group)
    kind = group.removeprefix("autrt.")
    return {f"plugins.{kind}.{name}": _version(found[name]) for name in sorted(set(names) & found.keys())}


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=group)}


def _version(part: EntryPoint) -> str:
    return f"{part.dist.name} {part.dist.version}" if part.dist is not None else "unknown"
