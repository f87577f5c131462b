"""Reader of face recognition sets: a folder for each person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import require_folder
from autrt_train.annotations.sets.class_folders import read_class_folders
from autrt_train.types import Index, Split


def read(
    root: Path, split: Split | None = None, *, margin_px: int | None = None, template: str | None = None
) -> tuple[Index, DataIssues]:
    """Read the set; a person is both `Index.person` and the class.

    Args:
        root: folder with a folder for each person (below `train` and `validation`, if there is a split).
        split: part to read; None: all. Classes are numbered over all parts.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Raises:
        DataError: the root is missing, or holds no picture.
    """
    require_folder(root, "people")
    index, issues = read_class_folders(root, split, margin_px, template)
    assert index.classes is not None
    return replace(index, person=index.classes, person_names=index.class_names), issues
