"""Columns of a new file's `/faces` for further outputs of a model's networks."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pkgutil import resolve_name

from autrt.errors import UsageError
from autrt.model.folder import Model, used_members
from autrt.plugins import COLUMNS as COLUMN_PLUGINS
from autrt.plugins import plugins
from autrt.results.schema import COLUMNS, EVERY_MODEL, FEATURES, QUALITY, Column


def features_column(model: Model) -> Column:
    """Return the column for the features of a model's first network that is run and has any.

    Raises:
        UsageError: none has features.
    """
    for member, used in zip(model.members, used_members(model.weights), strict=True):
        for output in member.outputs:
            if used and output.name == FEATURES.output:
                return replace(FEATURES, tail=output.shape)
    raise UsageError(
        f"model {model.name!r}: expected a network with the output 'features', found none: leave --features out"
    )


def output_columns(model: Model, *, features: bool = False) -> tuple[Column, ...]:
    """Return the columns for a model's outputs beside logits, in order of name.

    These are the columns in `schema.COLUMNS` that name one of its outputs, and those of installed packages (see
    docs/extending.md). Outputs without a column are not stored.

    Args:
        model: its networks.
        features: with the column of `features_column`, which is left out otherwise.

    Raises:
        UsageError: a package's column is none, has another column's name, or does not fit the output; or no network
            has features.
    """
    shapes = {output.name: output.shape for member in model.members for output in member.outputs}
    columns = {c.output: c for c in COLUMNS if c.extra and c not in (FEATURES, *QUALITY)}
    columns |= {name: _load(name, value) for name, value in plugins(COLUMN_PLUGINS).items() if name in shapes}
    found = sorted((c for output, c in columns.items() if output in shapes), key=lambda c: c.name)
    for column in found:
        if prod(shapes[column.output]) != prod(column.tensor.shape):
            raise UsageError(
                f"model {model.name!r}: expected {prod(column.tensor.shape)} numbers a face in its output "
                f"{column.output!r}, as the column {column.name!r} has, found {prod(shapes[column.output])}"
            )
    if features:
        found = [*(column for column in found if column.name != FEATURES.name), features_column(model)]
    return tuple(sorted(found, key=lambda c: c.name))


def _load(output: str, value: str) -> Column:
    """Import the column that a package brings for an output."""
    column = resolve_name(value)
    where = f"the entry point {output!r} of {COLUMN_PLUGINS} ({value})"
    if not isinstance(column, Column):
        raise UsageError(f"{where}: expected an autrt.results.schema.Column, found {type(column).__name__}")
    if column.name in EVERY_MODEL.union(c.name for c in QUALITY):
        raise UsageError(f"{where}: expected a new name, found {column.name!r}, which every results file has")
    fits = column.table == "faces" and column.output == output and column.dtype == "float32"
    if not fits or not all(isinstance(n, int) for n in column.tail):
        raise UsageError(
            f"{where}: expected a float32 column of the table 'faces' for the output {output!r}, of a fixed shape; "
            f"found {column}"
        )
    return column
