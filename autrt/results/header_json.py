"""The JSON text in a results file's `header` attribute."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from autrt.errors import ResultsError
from autrt.results.hdf5_attributes import plain_text
from autrt.results.schema import ATTRIBUTES, HEADER, PLAIN, Attribute, Kind
from autrt.storage.escape import escape, unescape

_ENCODED: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": plain_text, "path": escape, "bool": bool, "int": int, "float": float,
    "maybe_int": lambda value: None if value is None else int(value),
    "maybe_float": lambda value: None if value is None else float(value),
    "texts": lambda texts: [plain_text(text) for text in texts],
    "ints": lambda values: [int(value) for value in values],
    "floats": lambda values: [float(value) for value in values],
    "json": lambda value: value,
}  # fmt: skip

_TYPES: Final[dict[Kind, tuple[type, ...]]] = {
    "text": (str,), "texts": (str,), "path": (str,), "bool": (bool,), "int": (int,), "ints": (int,),
    "maybe_int": (int, type(None)), "float": (float,), "floats": (float,), "maybe_float": (float, type(None)),
}  # fmt: skip
"""Accepted Python types of a value, or of each element of a list."""


def header_to_json(values: Mapping[str, Any]) -> str:
    """Return the JSON text of those `values` that are not plain HDF5 attributes."""
    facts = {a.name: _ENCODED[a.kind](values[a.name]) for a in _facts() if a.name in values}
    return json.dumps(facts, allow_nan=False, separators=(",", ":"))


def header_from_json(text: Any) -> dict[str, Any]:
    """Return the values in a JSON text that `header_to_json` wrote; unknown keys are ignored.

    Raises:
        ResultsError: the text is not such JSON.
    """
    try:
        found = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ResultsError(f"attribute {HEADER}: expected JSON, found {str(text)[:80]!r}") from error
    if not isinstance(found, dict):
        raise ResultsError(f"attribute {HEADER}: expected an object, found {str(text)[:80]!r}")
    return {a.name: _decoded(a, found[a.name]) for a in _facts() if a.name in found}


def _facts() -> Iterator[Attribute]:
    return (a for a in ATTRIBUTES if a.name not in PLAIN)


def _decoded(attribute: Attribute, value: Any) -> Any:
    kind = attribute.kind
    if kind == "json":
        return value
    many = kind in {"texts", "ints", "floats"}
    values: tuple[Any, ...] = tuple(value) if isinstance(value, list) else (value,)
    if many != isinstance(value, list) or any(type(v) not in _TYPES[kind] for v in values):
        raise ResultsError(f"attribute {attribute.name}: expected {kind}, found {value!r}")
    if many:
        return values
    return unescape(values[0]) if kind == "path" else values[0]
