"""Reader of the rendered sets of `autrt synth`: exact labels, soft labels, landmarks and presence."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from autrt.storage.escape import escape
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import existing_paths, require_folder
from autrt_train.annotations.sets.expression import CLASSES
from autrt_train.types import DataError, Index, Split

FACTS: Final = "synth.json"
LABELS: Final = "labels.npz"
SCHEMA: Final = "autrt-synth/1"
_SPLITS: Final[dict[Split, int]] = {"train": 0, "validation": 1}
_COLUMNS: Final = (
    "path",
    "person",
    "frame",
    "label",
    "target",
    "expression",
    "landmarks",
    "presence",
    "split",
)


def read(
    root: Path, split: Split | None = None, *, task: Literal["expression", "identity"] = "expression"
) -> tuple[Index, DataIssues]:
    """Read a rendered set.

    Args:
        root: the folder that `autrt synth` wrote.
        split: the set's own split, which separates people; None: all.
        task: content of `Index.classes`: the expression, or the person.

    Raises:
        DataError: it is not a complete rendered set, or there is no picture.
    """
    require_folder(root, "a rendered set (`autrt synth`)")
    if task not in ("expression", "identity"):
        raise DataError(f"task: expected expression or identity, found {task!r}")
    facts, table = _facts(root / FACTS), _table(root / LABELS)
    issues = DataIssues()
    person = table["person"].astype(np.int32)
    people = np.unique(person)
    names = tuple(f"p{number:06d}" for number in people.tolist())
    row_of = np.searchsorted(people, person).astype(np.int32)
    by_person = task == "identity"
    base = os.fsencode(root.absolute()) + b"/"
    index = Index(
        paths=np.char.add(np.bytes_(base), table["path"]),
        label_names=tuple(facts["au_names"]),
        labels=table["label"].astype(np.int8),
        video=row_of,
        video_names=names,
        frame=table["frame"].astype(np.int32),
        person=row_of,
        person_names=names,
        targets=table["target"].astype(np.float32),
        classes=row_of if by_person else table["expression"].astype(np.int32),
        class_names=names if by_person else CLASSES,
        landmarks=table["landmarks"].astype(np.float32),
        presence=table["presence"].astype(np.int8),
        margin_px=int(facts["margin_px"]),
        template=str(facts["template"]),
    )
    if split is not None:
        index = index.take(table["split"] == _SPLITS[split])
    return index.take(existing_paths(index.paths.tolist(), issues)), issues


def _facts(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
        lacking = [key for key in ("au_names", "margin_px", "template") if key not in facts]
    except (OSError, ValueError) as error:
        raise DataError(f"{escape(str(path))}: expected a set that `autrt synth` wrote: {error}") from error
    if facts.get("schema") != SCHEMA or lacking:
        found = f"without {lacking[0]}" if lacking else f"schema {facts.get('schema')!r}"
        raise DataError(
            f"{escape(str(path))}: expected schema {SCHEMA!r}, found {found}: render the set anew"
        )
    return facts


def _table(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            table = {name: file[name] for name in _COLUMNS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{escape(str(path))}: expected the labels of a rendered set: {error}: render it anew"
        ) from error
    sizes = {len(column) for column in table.values()}
    if len(sizes) > 1:
        raise DataError(f"{escape(str(path))}: expected columns of one length, found {sorted(sizes)}")
    return table
