"""Conversion of single attributes between Python and HDF5."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import h5py
import numpy as np
from h5py import h5a, h5o, h5s, h5t  # pyright: ignore[reportAttributeAccessIssue]

from autrt.errors import ResultsError
from autrt.results.schema import ATTRIBUTES, Attribute, Kind
from autrt.storage.escape import escape, unescape

Attributes = Mapping[str, Mapping[str, Any]]
"""Path of the HDF5 object (`/` for the file) → name → value as h5py gives it."""

_TEXT: Final = h5py.string_dtype()
_SCALAR: Final = h5s.create(h5s.SCALAR)
_NUMPY_KINDS: Final[dict[Kind, str]] = {
    "bool": "b", "int": "iu", "maybe_int": "iu", "float": "f", "maybe_float": "f", "ints": "iu", "floats": "f",
}  # fmt: skip


def put_attribute(item: Any, attribute: Attribute, value: Any) -> Any:
    """Write one plain attribute to an HDF5 object; return it as `all_attributes` reads it.

    Raises:
        TypeError: attributes of this kind are only stored as JSON.
    """
    match attribute.kind:
        case "text":
            return put_long_text(item, attribute.name, plain_text(value))
        case "path":
            return put_long_text(item, attribute.name, escape(value))
        case "texts":
            stored = np.array([plain_text(v) for v in value], object)
            item.attrs.create(attribute.name, stored, dtype=_TEXT)
            return stored
        case "bool":
            stored = np.bool_(value)
        case "int" | "ints":
            stored = np.asarray(value, np.int64)
        case "float" | "floats":
            stored = np.asarray(value, np.float64)
        case "json" | "maybe_int" | "maybe_float":
            raise TypeError(f"{attribute.name}: {attribute.kind} stands in the JSON alone")
    item.attrs.create(attribute.name, stored)
    return stored


def all_attributes(file: h5py.File) -> Attributes:
    """Return the attributes of the file, its groups and its datasets."""
    paths: list[bytes] = []
    h5o.visit(file.id, paths.append)
    objects = {path.decode("utf-8", "surrogateescape"): h5o.open(file.id, path) for path in paths}
    return {path: _attributes_of(item) for path, item in {"/": file.id, **objects}.items()}


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


def put_long_text(item: Any, name: str, text: str) -> str:
    """Write a text of any length as an HDF5 string of variable length, which h5py reads as `str`; return it."""
    item.attrs.create(name, text, dtype=_TEXT)
    return text


def put_text(item: Any, name: str, text: str) -> bytes:
    """Write a new text as an HDF5 string of fixed length, which is stored in the object header without overhead.

    Returns:
        The text as h5py reads it.
    """
    raw = text.encode()
    kind = hdf5_text(len(raw))
    h5a.create(item.id, name.encode(), kind, _SCALAR).write(np.array(raw), mtype=kind)
    return raw


@cache
def hdf5_text(size_bytes: int) -> h5t.TypeID:
    """Return the HDF5 type of UTF-8 texts of fixed length, padded with zero bytes."""
    return h5t.py_create(h5py.string_dtype("utf-8", size_bytes))


def text_of(attributes: Mapping[str, Any], name: str) -> str | None:
    """Return a text attribute of fixed or variable length, or None if there is none."""
    value = attributes.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def plain_text(text: str) -> str:
    """Return `text` with what HDF5's UTF-8 strings cannot hold (lone surrogates, NUL) escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class _Owner:
    """An open HDF5 object, as `AttributeManager` takes it."""

    def __init__(self, item: Any) -> None:
        self.id = item


def _attributes_of(item: Any) -> dict[str, Any]:
    """Return the attributes of an open object (h5py's low-level identifier) as `h5py.AttributeManager` does.

    Some 60 are texts of fixed length, for which the manager would open several HDF5 objects more.
    """
    found: dict[str, Any] = {}
    for place in range(h5a.get_num_attrs(item)):
        attribute = h5a.open(item, index=place)
        name = attribute.name.decode("utf-8", "surrogateescape")
        kind = attribute.get_type()
        size_bytes = kind.get_size()
        if kind == hdf5_text(size_bytes) and attribute.shape == ():
            text = np.empty((), f"S{size_bytes}")
            attribute.read(text, mtype=kind)
            found[name] = text[()]
        else:
            found[name] = h5py.AttributeManager(_Owner(item))[name]
    return found


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
