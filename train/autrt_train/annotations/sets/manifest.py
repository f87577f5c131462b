"""Reader of manifests: tables with a row for each picture, such as `autrt crop` writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autrt.storage.escape import escape
from autrt.types import F32, I32, Bool
from autrt.video.pictures import picture_number
from autrt_train.annotations.annotation_table import Table, read_table
from autrt_train.annotations.columns import au_name, binary_labels, name_ids, numbers
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import as_paths, existing_paths
from autrt_train.types import I8, DataError, Index, Split

NAME: Final = "index.csv"
"""The manifest that `autrt crop` writes; also the one that is read if a folder is given."""

LANDMARKS: Final = tuple(f"{axis}{point}" for point in range(5) for axis in "xy")
"""Columns of landmarks in crop pixels, in ArcFace's order: x0, y0, … x4, y4."""

_SPLITS: Final[dict[str, Split]] = {
    "train": "train", "training": "train", "validation": "validation", "val": "validation", "valid": "validation",
}  # fmt: skip


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    threshold: float | None = None,
    class_names: Sequence[str] | None = None,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read a manifest: CSV or Parquet with `path` and any AU columns (AU1, AU01, au12, …).

    Further columns: `video`, `person`, `frame`, `split` (train or validation), `class`, and landmarks x0, y0 …
    x4, y4 in crop pixels. All others are ignored. Without `video`, numbered pictures (00001.jpg) are frames of
    the video that their folder stands for, and any other picture is a video of its own.

    Args:
        root: the manifest, or the folder that its paths are relative to.
        split: rows of this `split`; None: all.
        labels: the manifest, if `root` is a folder; default: `index.csv` in it.
        threshold: intensity from which an AU is active; None: AU columns hold 0, 1, −1 or nothing.
        class_names: all classes in order; default: those that occur, sorted.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Raises:
        DataError: the table is missing or invalid; names file and line.
    """
    table = read_table(root if root.is_file() else root / (labels or NAME))
    folder = root.parent if root.is_file() else root
    issues = DataIssues()
    if "path" not in table:
        raise DataError(
            f"{escape(str(table.path))}: expected a column `path`, found {', '.join(table.columns) or 'none'}"
        )
    paths, video, frame = _places(table, folder)
    chosen = of_split(table, split)
    chosen[chosen] = existing_paths([paths[row] for row in np.nonzero(chosen)[0]], issues)
    video, video_names = name_ids(video)
    aus, au_labels = _labels(table, threshold)
    person, person_names = name_ids(table["person"] if "person" in table else [""] * len(table))
    classes, names = _classes(table, class_names)
    geometry = crop_geometry(folder, margin_px, template)
    index = Index(
        paths=as_paths(paths),
        label_names=aus,
        labels=au_labels,
        video=video,
        video_names=video_names,
        frame=frame,
        person=person,
        person_names=person_names,
        classes=classes,
        class_names=names,
        landmarks=_landmarks(table),
        margin_px=geometry.margin_px,
        template=geometry.template,
    )
    return index.take(chosen), issues


def _places(table: Table, folder: Path) -> tuple[list[bytes], list[str], I32]:
    """Return absolute path, video and frame number of each row."""
    texts = [str(p or "") for p in table["path"]]
    if "" in texts:
        line = texts.index("") + table.first_line
        raise DataError(f"{escape(str(table.path))}, line {line}: expected a path, found nothing")
    base = os.fspath(folder.absolute())
    paths = [os.fsencode(os.path.normpath(os.path.join(base, text))) for text in texts]  # noqa: PTH118
    number = [picture_number(os.path.basename(text)) for text in texts]  # noqa: PTH119
    if "video" in table:
        video = [str(v or t) for v, t in zip(table["video"], texts, strict=True)]
    else:
        video = [t if n is None else os.path.dirname(t) or "." for t, n in zip(texts, number, strict=True)]  # noqa: PTH120
    frame = np.array([n or 1 for n in number], np.int32).reshape(-1)
    if "frame" in table:
        stated = numbers(table["frame"], table.path, "frame", table.first_line)
        frame = np.where(np.isnan(stated), frame, np.nan_to_num(stated)).astype(np.int32)
    return paths, video, frame


def of_split(table: Table, split: Split | None) -> Bool:
    """Return (N,) bool: True for the rows of a table with this `split`; None: all.

    Raises:
        DataError: there is no such column, or it holds another value.
    """
    if split is None:
        return np.ones(len(table), bool)
    if "split" not in table:
        raise DataError(
            f"{escape(str(table.path))} has no column `split`: add one (train or validation), or name no split "
            "and let a share of the videos be the validation data"
        )
    texts = [str(s or "").strip().lower() for s in table["split"]]
    for line, text in enumerate(texts, table.first_line):
        if text and text not in _SPLITS:
            raise DataError(
                f"{escape(str(table.path))}, line {line}: split: expected train or validation, found {text!r}"
            )
    return np.array([_SPLITS.get(text) == split for text in texts], bool)


def _labels(table: Table, threshold: float | None) -> tuple[tuple[str, ...], I8]:
    columns = {column: name for column in table.columns if (name := au_name(column)) is not None}
    names = tuple(columns.values())
    if len(set(names)) < len(names):
        raise DataError(f"{escape(str(table.path))}: an AU has two columns: {', '.join(columns)}")
    labels = np.empty((len(table), len(names)), np.int8)
    for i, column in enumerate(columns):
        values = numbers(table[column], table.path, column, table.first_line)
        labels[:, i] = binary_labels(values, threshold, table.path, column, table.first_line)
    return names, labels


def _classes(table: Table, names: Sequence[str] | None) -> tuple[I32 | None, tuple[str, ...]]:
    if "class" not in table:
        return None, tuple(names or ())
    found, found_names = name_ids(table["class"])
    if names is None:
        return found, found_names
    if strange := set(found_names) - set(names):
        raise DataError(
            f"{escape(str(table.path))}: class: expected one of {', '.join(names)}, found {sorted(strange)[0]!r}"
        )
    to = np.array([*(names.index(name) for name in found_names), -1], np.int32)
    return to[found], tuple(names)


def _landmarks(table: Table) -> F32 | None:
    if not all(name in table for name in LANDMARKS):
        return None
    columns: list[NDArray[Any]] = [
        numbers(table[name], table.path, name, table.first_line) for name in LANDMARKS
    ]
    return np.stack(columns, axis=1).astype(np.float32).reshape(-1, 5, 2)
