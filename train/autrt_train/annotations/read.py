"""One door to all data sets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from autrt.registry import Registry
from autrt.results.names import escape
from autrt_train.annotations.findings import Findings
from autrt_train.types import MISSING, DataError, Index, Split

READERS: Final = Registry(
    "kind of data set",
    {
        "affwild2": "autrt_train.annotations.affwild2:read",
        "manifest": "autrt_train.annotations.manifest:read",
        "expression": "autrt_train.annotations.expression:read",
        "identity": "autrt_train.annotations.identity:read",
        "disfa": "autrt_train.annotations.disfa:read",
        "bp4d": "autrt_train.annotations.bp4d:read",
        "rendered": "autrt_train.annotations.rendered:read",
        "results": "autrt_train.annotations.results:read",
        "coded": "autrt_train.annotations.coded_crops:read",
    },
)
"""Kinds of data sets: `read(root, split, **options) -> (Index, Findings)`."""


class Mix(BaseModel):
    """How one source counts beside others that are trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    au_names: tuple[str, ...] | None = None
    """These AUs in this order, the labels of all others being missing; None: those that the data set has."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """The part of every batch that it has; None: what others leave, shared by number of pictures."""
    weight: Annotated[float, Field(ge=0)] = 1
    """How much its labels count in the loss, against those of other sources."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict[str, float])
    """AU → its own weight, multiplied with `weight`; 0 masks it."""


class DataSpec(Mix):
    """A data set as a recipe names it."""

    kind: str
    """One of `READERS`."""
    root: Path
    """Where it lies; `~` is the home folder."""
    split: Split | None = None
    """Which part; None: all of it."""
    labels: Path | None = None
    """Where its labels lie, if elsewhere than usual; relative to `root` (results: to the folder above it)."""
    threshold: float | None = None
    """The intensity from which an AU is active."""
    drop_any_missing: bool = False
    """Leave out pictures of which any of these AUs is unknown."""
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    """What else the kind's reader takes, by name."""


def read_data(spec: DataSpec) -> tuple[Index, Findings]:
    """Read a data set.

    Raises:
        DataError: it is missing or wrong, or of its kind an option is not known. The message names the place.
        UsageError: there is no such kind.
    """
    index, findings = read_by(READERS, spec)
    if spec.au_names is not None:
        index = index.with_labels(spec.au_names)
    if spec.drop_any_missing:
        index = _complete(index, findings, str(spec.root))
    return index, findings


def read_by(readers: Registry, spec: DataSpec) -> Any:
    """What one of `readers` makes of a data set; the keys of its signature after the second are its options.

    Raises:
        DataError: as `read_data`.
        UsageError: there is no such kind.
    """
    reader = readers.load(spec.kind)
    given = {"labels": spec.labels, "threshold": spec.threshold}
    options = {name: value for name, value in given.items() if value is not None} | spec.options
    known = list(inspect.signature(reader).parameters)[2:]
    if strange := [name for name in options if name not in known]:
        raise DataError(
            f"data of kind {spec.kind!r} has no option {strange[0]!r}; it takes {', '.join(known) or 'none'}"
        )
    return reader(spec.root.expanduser(), spec.split, **options)


def read_telling(spec: DataSpec, say: Callable[[str], object]) -> Index:
    """Read a data set and say what is irregular in it; raises as `read_data`."""
    index, findings = read_data(spec)
    for line in findings.lines():
        say(f"{spec.kind} {escape(str(spec.root))}: {line}")
    return index


def _complete(index: Index, findings: Findings, where: str) -> Index:
    whole = (index.labels != MISSING).all(axis=1)
    findings.note("incomplete_labels", where, "", int((~whole).sum()))
    return replace(index.take(whole))
