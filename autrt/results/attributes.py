"""Attributes of a results file: a few plain HDF5 attributes, and one that holds all others as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import h5py
import numpy as np

from autrt.errors import ResultsError
from autrt.results.hdf5_attributes import (
    Attributes,
    attributes_digest,
    plain_values,
    put_attribute,
    put_long_text,
    table_attributes,
)
from autrt.results.header_json import header_from_json, header_to_json
from autrt.results.schema import ATTRIBUTES, FAMILY, HEADER, OF_THE_FILE, PLAIN, READABLE, SCHEMA

_DIGEST: Final = "attributes_sha256"


def write_attributes(file: h5py.File, values: Mapping[str, Any], others: Attributes) -> None:
    """Write `values`, named as in `schema.ATTRIBUTES`, and a digest over all attributes of the file.

    Args:
        file: open for writing.
        values: attributes by name.
        others: the attributes that each group and dataset has already.
    """
    found = {"/": dict[str, Any](), **{path: dict(attributes) for path, attributes in others.items()}}
    for attribute in ATTRIBUTES:
        if attribute.plain and attribute.name in values:
            stored = put_attribute(file[attribute.on], attribute, values[attribute.name])
            found[attribute.on][attribute.name] = stored
    found["/"][HEADER] = put_long_text(file, HEADER, header_to_json(values))
    put_long_text(file, _DIGEST, attributes_digest(found, but=_DIGEST))


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Return every attribute of `schema.ATTRIBUTES` by name, in Python's types; optional ones only if present.

    Raises:
        ResultsError: the file is unfinished, its schema is unknown, or an attribute is missing or has the wrong
            type.
    """
    attributes = file.attrs  # each access would open the root group again
    schema = attributes.get("schema")
    if not isinstance(schema, str) or schema not in READABLE:
        is_newer = isinstance(schema, str) and schema.startswith(FAMILY)
        advice = " (a newer autrt made it: install that one)" if is_newer else ""
        raise ResultsError(f"expected schema {' or '.join(map(repr, READABLE))}, found {schema!r}{advice}")
    complete = attributes.get("complete")
    if not isinstance(complete, np.bool_) or not complete:
        raise ResultsError("it was never finished")
    if schema == SCHEMA:
        plain = plain_values({"/": {name: attributes[name] for name in PLAIN if name in attributes}})
        facts = plain | header_from_json(attributes.get(HEADER))
    else:
        facts = plain_values(table_attributes(file))
    if missing := [
        a.name for a in ATTRIBUTES if not (a.name in facts or a.optional or a.name in OF_THE_FILE)
    ]:
        raise ResultsError(f"attribute {missing[0]} is missing")
    return facts


def attribute_problems(attributes: Attributes, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a problem for each attribute that differs from the stored digest or from `values` as read."""
    if attributes["/"].get(_DIGEST) != attributes_digest(attributes, but=_DIGEST):
        yield "attributes differ from their checksum"
    for name, value in plain_values(attributes).items():
        if name not in OF_THE_FILE and values.get(name) != value:
            yield f"attribute {name} differs from the one in {HEADER}"
