"""Reader of data sets of any kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from autrt.extras import load_part
from autrt.storage.escape import escape
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.types import MISSING, DataError, Index, Split

READERS: Final = {
    "affwild2": "autrt_train.annotations.sets.affwild2:read",
    "manifest": "autrt_train.annotations.sets.manifest:read",
    "expression": "autrt_train.annotations.sets.expression:read",
    "identity": "autrt_train.annotations.sets.identity:read",
    "disfa": "autrt_train.annotations.sets.disfa:read",
    "bp4d": "autrt_train.annotations.sets.bp4d:read",
    "rendered": "autrt_train.annotations.sets.rendered:read",
    "results": "autrt_train.annotations.sets.results:read",
    "coded": "autrt_train.annotations.sets.coded_crops:read",
}
"""Kind → module and function, with the signature `read(root, split, **options) -> (Index, DataIssues)`."""


class Mix(BaseModel):
    """Weight of one source beside the others that are trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    au_names: tuple[str, ...] | None = None
    """AUs to keep, in this order, the labels of all others being missing; None: those of the data set."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of every batch; None: what the others leave, in proportion to the number of pictures."""
    weight: Annotated[float, Field(ge=0)] = 1
    """Weight of its labels in the loss, relative to other sources."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict[str, float])
    """AU → its own weight, multiplied by `weight`; 0 masks the AU."""


class DataSpec(Mix):
    """A data set in a recipe."""

    kind: str
    """One of `READERS`."""
    root: Path
    """Folder of the data set; `~` is the home folder."""
    split: Split | None = None
    """Part to read; None: all of it."""
    labels: Path | None = None
    """Folder of the labels if not the usual one; relative to `root` (for results: to the folder above it)."""
    threshold: float | None = None
    """Intensity from which an AU is active."""
    drop_any_missing: bool = False
    """True to leave out pictures with a missing label in any of these AUs."""
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further options of the kind's reader, by name."""


def read_data(spec: DataSpec) -> tuple[Index, DataIssues]:
    """Read a data set.

    Raises:
        DataError: the data set is missing or invalid, or its kind has no such option; names the place.
        UsageError: there is no such kind.
    """
    index, issues = read_with(load_part("kind of data set", spec.kind, READERS), spec)
    if spec.au_names is not None:
        index = index.with_labels(spec.au_names)
    if spec.drop_any_missing:
        index = _complete(index, issues, str(spec.root))
    return index, issues


def read_with(reader: Callable[..., Any], spec: DataSpec) -> Any:
    """Read a data set with `reader`, whose parameters after the second are its options.

    Raises:
        DataError: as `read_data`.
    """
    given = {"labels": spec.labels, "threshold": spec.threshold}
    options = {name: value for name, value in given.items() if value is not None} | spec.options
    known = list(inspect.signature(reader).parameters)[2:]
    if strange := [name for name in options if name not in known]:
        raise DataError(
            f"data of kind {spec.kind!r} has no option {strange[0]!r}; it takes {', '.join(known) or 'none'}"
        )
    return reader(spec.root.expanduser(), spec.split, **options)


def read_and_report(spec: DataSpec, report: Callable[[str], object]) -> Index:
    """Read a data set and pass a line about each of its issues to `report`; raises as `read_data`."""
    index, issues = read_data(spec)
    for line in issues.lines():
        report(f"{spec.kind} {escape(str(spec.root))}: {line}")
    return index


def _complete(index: Index, issues: DataIssues, where: str) -> Index:
    whole = (index.labels != MISSING).all(axis=1)
    issues.note("incomplete_labels", where, "", int((~whole).sum()))
    return replace(index.take(whole))
