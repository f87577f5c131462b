"""Face recognition sets: a folder for each person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autrt_train.annotations.findings import Findings
from autrt_train.annotations.pictures import existing_root
from autrt_train.annotations.sets.class_folders import read_class_folders
from autrt_train.types import Index, Split


def read(
    root: Path, split: Split | None = None, *, margin_px: int | None = None, template: str | None = None
) -> tuple[Index, Findings]:
    """Read the set; a person is both `Index.person` and the class.

    Args:
        root: folder with a folder for each person (below `train` and `validation`, if there is a split).
        split: which part; None: all. Classes are numbered over all parts.
        margin_px: see `crop_facts`.
        template: see `crop_facts`.

    Raises:
        DataError: the root is missing, or no picture is in it.
    """
    existing_root(root, "people")
    index, findings = read_class_folders(root, split, margin_px, template)
    assert index.classes is not None
    return replace(index, person=index.classes, person_names=index.class_names), findings
