"""Data sets with labels, as given on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from autrt.errors import UsageError
from autrt.storage.local_path import as_local_path, local_path
from autrt_train.annotations.read import READERS, DataSpec
from autrt_train.read_recipe import value_of


def parse_label_options(labels: Sequence[str], split: str | None, changes: Sequence[str]) -> list[DataSpec]:
    """Parse `KIND=ROOT` texts as data sets.

    Args:
        labels: the texts.
        split: of each.
        changes: `key=value` texts for all of them: fields of `DataSpec`, or options of their kinds.

    Raises:
        UsageError: a text is invalid, or there is no such kind.
    """
    return [_spec(text, split, dict(map(_change, changes))) for text in labels]


def _spec(text: str, split: str | None, changes: dict[str, Any]) -> DataSpec:
    kind, equals, root = text.partition("=")
    if not equals or not root or kind not in READERS:
        raise UsageError(
            f"--labels {text}: expected KIND=ROOT, KIND being one of {', '.join(READERS)}; "
            "for instance --labels affwild2=/data/affwild2"
        )
    fields = {key: value for key, value in changes.items() if key in DataSpec.model_fields}
    options = {key: value for key, value in changes.items() if key not in fields}
    named: dict[str, Any] = {"kind": kind, "root": as_local_path(root), "split": split}
    try:
        return DataSpec.model_validate({**named, **fields, "options": options})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"--labels {text} with --set: {faults}") from error


def _change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {text}: expected key=value, e.g. --set threshold=2")
    return key, value_of(local_path(value))
