"""Reader of expression sets (EXPR): a folder for each class, or a table of paths and classes; 7 or 8 classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import require_folder
from autrt_train.annotations.sets import manifest
from autrt_train.annotations.sets.class_folders import read_class_folders
from autrt_train.types import DataError, Index, Split

CLASSES: Final = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""Order of the seven classes; an eighth (contempt, other) comes last."""

_SAME: Final = {
    "angry": "anger", "disgusted": "disgust", "afraid": "fear", "fearful": "fear", "happy": "happiness",
    "sad": "sadness", "surprised": "surprise",
}  # fmt: skip

SIZES: Final = (7, 8)


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    classes: Sequence[str] | None = None,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read an expression set; its classes are in `Index.classes`.

    Args:
        root: folder with a folder for each class (below `train` and `validation`, if there is a split), or a
            table with the columns `path` and `class`.
        split: part to read; None: all.
        labels: the table, if `root` is the folder that its paths are relative to.
        classes: names of all classes, in order. Default: those found, normally 7 or 8 (another number is
            recorded as an issue); usual names (`Happy`, `happiness`, …) are brought into the order of
            `CLASSES`.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Raises:
        DataError: root or table are missing or invalid, or a class is not among `classes`.
    """
    if labels is not None or root.is_file():
        index, issues = manifest.read(root, split, labels=labels, margin_px=margin_px, template=template)
    else:
        require_folder(root, "expression classes")
        index, issues = read_class_folders(root, split, margin_px, template)
    if index.classes is None:
        raise DataError(f"{escape(str(root / (labels or '')))}: expected a column `class`, found none")
    index = _in_order(index, classes, root / (labels or ""))
    if classes is None and len(index.class_names) not in SIZES:
        found = ", ".join(index.class_names)[:200]
        issues.note("unusual_classes", str(root), found, len(index.class_names))
    return index, issues


def _in_order(index: Index, wanted: Sequence[str] | None, where: Path) -> Index:
    """Return the index with its classes numbered in the wanted or the usual order."""
    found = [_usual(name) if wanted is None else name for name in index.class_names]
    names = tuple(wanted) if wanted is not None else _order(found)
    if strange := [name for name in found if name not in names]:
        raise DataError(
            f"{escape(str(where))}: expected the classes {', '.join(names)}, found {strange[0]!r}"
        )
    to = np.array([*(names.index(name) for name in found), -1], np.int32)
    return replace(index, classes=None if index.classes is None else to[index.classes], class_names=names)


def _usual(name: str) -> str:
    """Return the name in `CLASSES` that a class name stands for; other names are returned unchanged."""
    plain = name.strip().lower()
    plain = _SAME.get(plain, plain)
    return plain if plain in CLASSES else name


def _order(names: Sequence[str]) -> tuple[str, ...]:
    known = [name for name in CLASSES if name in names]
    others = dict.fromkeys(name for name in names if name not in CLASSES)
    return (*known, *others) if len(known) == len(CLASSES) else tuple(dict.fromkeys(names))
