"""Attributes between Python and HDF5, checked against the table in `schema`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

import h5py
import numpy as np

from autrt.errors import ResultsError
from autrt.results.names import escape, unescape
from autrt.results.schema import ATTRIBUTES, Attribute, Kind

_DIGEST: Final = "attributes_sha256"
_TEXT: Final = h5py.string_dtype()
_NUMPY_KINDS: Final[dict[Kind, str]] = {
    "bool": "b", "int": "iu", "maybe_int": "iu", "float": "f", "maybe_float": "f", "ints": "iu", "floats": "f",
}  # fmt: skip


def write_attributes(file: h5py.File, values: Mapping[str, Any], on: str = "/") -> None:
    """Write `values` at the object `on`, each as its row of the table says."""
    for attribute in ATTRIBUTES:
        if attribute.on == on and attribute.name in values:
            _put(file[on], attribute, values[attribute.name])


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Every attribute of the table that is there, by name, in Python's types.

    Raises:
        ResultsError: one has another type than the table says.
    """
    found = {on: dict(file[on].attrs.items()) for on in {a.on for a in ATTRIBUTES} if on in file}
    return {a.name: _decoded(a, found[a.on][a.name]) for a in ATTRIBUTES if a.name in found.get(a.on, {})}


def seal_attributes(file: h5py.File) -> None:
    """Note the digest of all attributes, which no checksum of HDF5's covers."""
    write_attributes(file, {_DIGEST: attributes_digest(file)})


def attributes_digest(file: h5py.File) -> str:
    """SHA-256 (hex) over all attributes of the file, its groups and datasets, but for the digest itself."""
    objects: list[tuple[str, Any]] = [("/", file)]
    file.visititems(lambda name, item: objects.append((name, item)))
    plain = {
        name: {k: np.asarray(v).tolist() for k, v in item.attrs.items() if k != _DIGEST}
        for name, item in objects
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=repr).encode()).hexdigest()


def _put(item: Any, attribute: Attribute, value: Any) -> None:
    match attribute.kind:
        case "text" | "path" | "json":
            item.attrs.create(attribute.name, _text(attribute.kind, value), dtype=_TEXT)
        case "texts":
            texts = np.array([_text("text", v) for v in value], object)
            item.attrs.create(attribute.name, texts, dtype=_TEXT)
        case "bool":
            item.attrs.create(attribute.name, np.bool_(value))
        case "int" | "ints" | "maybe_int":
            item.attrs.create(attribute.name, np.asarray(-1 if value is None else value, np.int64))
        case "float" | "floats" | "maybe_float":
            item.attrs.create(attribute.name, np.asarray(math.nan if value is None else value, np.float64))


def _text(kind: Kind, value: Any) -> str:
    if kind == "path":
        return escape(value)
    if kind == "json":
        return json.dumps(value, sort_keys=True, allow_nan=False)
    return plain_text(value)


def plain_text(text: str) -> str:
    """`text` without what HDF5's UTF-8 strings cannot hold (lone surrogates, NUL), escaped instead."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _decoded(attribute: Attribute, raw: Any) -> Any:
    value, kind = np.asarray(raw), attribute.kind
    many = kind in {"texts", "ints", "floats"}
    is_text = kind not in _NUMPY_KINDS
    fits = all(isinstance(v, str) for v in value.flat) if is_text else value.dtype.kind in _NUMPY_KINDS[kind]
    if not fits or value.ndim != many:
        raise ResultsError(f"attribute {attribute.name}: expected {kind}, found {raw!r}")
    plain: Any = tuple(value.tolist()) if many else value.item()
    match kind:
        case "path":
            return unescape(plain)
        case "json":
            return _parsed(attribute.name, plain)
        case "maybe_int":
            return None if plain < 0 else plain
        case "maybe_float":
            return None if math.isnan(plain) else plain
        case _:
            return plain


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ResultsError(f"attribute {name}: expected JSON, found {text[:80]!r}") from error
