"""Expression sets (EXPR): a folder for each class, or a list of paths and classes; 7 or 8 classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.pictures import existing_root
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
) -> tuple[Index, Findings]:
    """Read an expression set; its classes are in `Index.classes`.

    Args:
        root: folder with a folder for each class (below `train` and `validation`, if there is a split), or a list:
            a table with the columns `path` and `class`.
        split: which part; None: all.
        labels: the list, where `root` is the folder that its paths are relative to.
        classes: the names of all classes, in order. By default those found, 7 or 8 as a rule (the findings say
            so if not); the usual ones (`Happy`, `happiness`, …) are brought into the order of `CLASSES`.
        margin_px: see `crop_facts`.
        template: see `crop_facts`.

    Raises:
        DataError: root or list are missing or wrong, or a class is none of `classes`.
    """
    if labels is not None or root.is_file():
        index, findings = manifest.read(root, split, labels=labels, margin_px=margin_px, template=template)
    else:
        existing_root(root, "expression classes")
        index, findings = read_class_folders(root, split, margin_px, template)
    if index.classes is None:
        raise DataError(f"{escape(str(root / (labels or '')))}: expected a column `class`, found none")
    index = _in_order(index, classes, root / (labels or ""))
    if classes is None and len(index.class_names) not in SIZES:
        found = ", ".join(index.class_names)[:200]
        findings.note("unusual_classes", str(root), found, len(index.class_names))
    return index, findings


def _in_order(index: Index, wanted: Sequence[str] | None, where: Path) -> Index:
    """The same index with class numbers in the wanted or the usual order."""
    found = [_usual(name) if wanted is None else name for name in index.class_names]
    names = tuple(wanted) if wanted is not None else _order(found)
    if strange := [name for name in found if name not in names]:
        raise DataError(
            f"{escape(str(where))}: expected the classes {', '.join(names)}, found {strange[0]!r}"
        )
    to = np.array([*(names.index(name) for name in found), -1], np.int32)
    return replace(index, classes=None if index.classes is None else to[index.classes], class_names=names)


def _usual(name: str) -> str:
    """A name as `CLASSES` has it, if it means one of them."""
    plain = name.strip().lower()
    plain = _SAME.get(plain, plain)
    return plain if plain in CLASSES else name


def _order(names: Sequence[str]) -> tuple[str, ...]:
    known = [name for name in CLASSES if name in names]
    others = dict.fromkeys(name for name in names if name not in CLASSES)
    return (*known, *others) if len(known) == len(CLASSES) else tuple(dict.fromkeys(names))
