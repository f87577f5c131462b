"""The facts about a results file: a few as attributes, for other tools, and the rest as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import h5py
import numpy as np

from autrt.errors import ResultsError
from autrt.results.facts import facts_json, parsed_facts
from autrt.results.hdf5_attributes import (
    Attributes,
    all_attributes,
    attributes_digest,
    plain_values,
    put_attribute,
    put_long_text,
    table_attributes,
)
from autrt.results.schema import ATTRIBUTES, FAMILY, HEADER, OF_THE_FILE, PLAIN, READABLE, SCHEMA

_DIGEST: Final = "attributes_sha256"


def write_attributes(file: h5py.File, values: Mapping[str, Any]) -> None:
    """Write those marked plain as attributes of their own, the others as JSON, and a digest over all."""
    for attribute in ATTRIBUTES:
        if attribute.plain and attribute.name in values:
            put_attribute(file[attribute.on], attribute, values[attribute.name])
    put_long_text(file, HEADER, facts_json(values))
    put_long_text(file, _DIGEST, attributes_digest(all_attributes(file), but=_DIGEST))


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Every fact of the table, by name, in Python's types; optional ones only where they are there.

    Raises:
        ResultsError: the file is unfinished or of a schema that is not known here, or a fact is missing or has
            another type than the table says.
    """
    attributes = file.attrs  # looked up once: it opens the root group each time
    schema = attributes.get("schema")
    if not isinstance(schema, str) or schema not in READABLE:
        ours = isinstance(schema, str) and schema.startswith(FAMILY)
        advice = " (a newer autrt made it: install that one)" if ours else ""
        raise ResultsError(f"expected schema {' or '.join(map(repr, READABLE))}, found {schema!r}{advice}")
    complete = attributes.get("complete")
    if not isinstance(complete, np.bool_) or not complete:
        raise ResultsError("it was never finished")
    if schema == SCHEMA:
        own = plain_values({"/": {name: attributes[name] for name in PLAIN if name in attributes}})
        facts = own | parsed_facts(attributes.get(HEADER))
    else:
        facts = plain_values(table_attributes(file))
    if missing := [
        a.name for a in ATTRIBUTES if not (a.name in facts or a.optional or a.name in OF_THE_FILE)
    ]:
        raise ResultsError(f"attribute {missing[0]} is missing")
    return facts


def contradictions(attributes: Attributes, values: Mapping[str, Any]) -> Iterator[str]:
    """Where all attributes of a file differ from their digest, or from `values`, which is what was read."""
    if attributes["/"].get(_DIGEST) != attributes_digest(attributes, but=_DIGEST):
        yield "attributes differ from their checksum"
    for name, value in plain_values(attributes).items():
        if name not in OF_THE_FILE and values.get(name) != value:
            yield f"attribute {name} differs from the one in {HEADER}"
