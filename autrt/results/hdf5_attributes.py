"""Conversion of single attributes between Python and HDF5."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

import h5py
import numpy as np

from autrt.errors import ResultsError
from autrt.results.schema import ATTRIBUTES, Attribute, Kind
from autrt.storage.escape import escape, unescape

Attributes = Mapping[str, Mapping[str, Any]]
"""Path of the HDF5 object (`/` for the file) → name → value as h5py gives it."""

_TEXT: Final = h5py.string_dtype()
_NUMPY_KINDS: Final[dict[Kind, str]] = {
    "bool": "b", "int": "iu", "maybe_int": "iu", "float": "f", "maybe_float": "f", "ints": "iu", "floats": "f",
}  # fmt: skip


def put_attribute(item: Any, attribute: Attribute, value: Any) -> None:
    """Write one plain attribute to an HDF5 object.

    Raises:
        TypeError: attributes of this kind are only stored as JSON.
    """
    match attribute.kind:
        case "text":
            item.attrs.create(attribute.name, plain_text(value), dtype=_TEXT)
        case "path":
            item.attrs.create(attribute.name, escape(value), dtype=_TEXT)
        case "texts":
            item.attrs.create(attribute.name, np.array([plain_text(v) for v in value], object), dtype=_TEXT)
        case "bool":
            item.attrs.create(attribute.name, np.bool_(value))
        case "int" | "ints":
            item.attrs.create(attribute.name, np.asarray(value, np.int64))
        case "float" | "floats":
            item.attrs.create(attribute.name, np.asarray(value, np.float64))
        case "json" | "maybe_int" | "maybe_float":
            raise TypeError(f"{attribute.name}: {attribute.kind} stands in the JSON alone")


def all_attributes(file: h5py.File) -> Attributes:
    """Return the attributes of the file, its groups and its datasets."""
    found = {"/": dict(file.attrs.items())}
    file.visititems(lambda name, item: found.update({name: dict(item.attrs.items())}))
    return found


def table_attributes(file: h5py.File) -> Attributes:
    """Return the attributes of those objects that `schema.ATTRIBUTES` names."""
    return {on: dict(file[on].attrs.items()) for on in {a.on for a in ATTRIBUTES} if on in file}


def plain_values(attributes: Attributes) -> dict[str, Any]:
    """Return the attributes of `schema.ATTRIBUTES` by name, in Python's types; in schema 1 these are all.

    Raises:
        ResultsError: an attribute has the wrong type.
    """
    return {
        a.name: _decoded(a, attributes[a.on][a.name])
        for a in ATTRIBUTES
        if a.name in attributes.get(a.on, {})
    }


def attributes_digest(attributes: Attributes, *, but: str) -> str:
    """Return the SHA-256 (hex) over all attributes except those named `but`."""
    plain = {
        path: {name: np.asarray(value).tolist() for name, value in found.items() if name != but}
        for path, found in attributes.items()
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=repr).encode()).hexdigest()


def put_long_text(item: Any, name: str, text: str) -> None:
    """Write a text of any length as an HDF5 string of variable length, which h5py reads as `str`."""
    item.attrs.create(name, text, dtype=_TEXT)


def put_text(item: Any, name: str, text: str) -> None:
    """Write a text as an HDF5 string of fixed length, which is stored in the object header without overhead."""
    raw = text.encode()
    item.attrs.create(name, np.bytes_(raw), dtype=h5py.string_dtype("utf-8", len(raw)))


def text_of(attributes: Mapping[str, Any], name: str) -> str | None:
    """Return a text attribute of fixed or variable length, or None if there is none."""
    value = attributes.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def plain_text(text: str) -> str:
    """Return `text` with what HDF5's UTF-8 strings cannot hold (lone surrogates, NUL) escaped."""
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
