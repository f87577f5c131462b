"""Reader of sets with a folder for each class: expressions or people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt.types import I32
from autrt.video.pictures import picture_number
from autrt_train.annotations.columns import name_ids
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import CROPS, as_paths, is_picture
from autrt_train.packed.picture_files import is_folder, list_folders, walk
from autrt_train.types import MISSING, DataError, Index, Split

_SPLIT_NAMES: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("train", "Train_Set"),
    "validation": ("validation", "val", "valid", "Validation_Set"),
}


def read_class_folders(
    root: Path, split: Split | None, margin_px: int | None, template: str | None
) -> tuple[Index, DataIssues]:
    """Read pictures at any depth below folders named after their class.

    The classes are the folders of all parts, so that every part of a split numbers them alike. Numbered
    pictures (00001.jpg) are frames of the video that their folder stands for; any other picture is a video of
    its own. Folders in `cropped_aligned` count as folders of `root`, as `autrt crop` writes them.

    Raises:
        DataError: there is no such split, or no picture.
    """
    base = root / CROPS if is_folder(root / CROPS) else root
    parts = _parts(base)
    if split is not None and split not in parts:
        raise DataError(
            f"{escape(str(base))}: expected a folder {_SPLIT_NAMES[split][0]!r}, found none: name no split, and "
            "let a share of the data be the validation data"
        )
    class_names = sorted({name for tops in parts.values() for top in tops for name in _folders(top)})
    tops = parts[split] if split is not None else [top for tops in parts.values() for top in tops]
    issues = DataIssues()
    rows = [row for top in tops for name in _folders(top) for row in _pictures(top, name, base, issues)]
    if not rows:
        raise DataError(
            f"{escape(str(base))}: expected a folder of pictures for each class, found no picture in it"
        )
    paths, names, videos, frames = zip(*rows, strict=True)
    video, video_names = name_ids(videos)
    at = {name: i for i, name in enumerate(class_names)}
    geometry = crop_geometry(root, margin_px, template)
    n = len(paths)
    return Index(
        paths=as_paths(paths),
        label_names=(),
        labels=np.empty((n, 0), np.int8),
        video=video,
        video_names=video_names,
        frame=np.array(frames, np.int32),
        person=np.full(n, MISSING, np.int32),
        classes=_numbered(names, at),
        class_names=tuple(class_names),
        margin_px=geometry.margin_px,
        template=geometry.template,
    ), issues


def _numbered(names: tuple[str, ...], at: dict[str, int]) -> I32:
    return np.array([at[name] for name in names], np.int32)


def _parts(base: Path) -> dict[Split | None, list[Path]]:
    """Return the folders of classes of each part; under None if there is no split."""
    found: dict[Split | None, list[Path]] = {}
    for split, names in _SPLIT_NAMES.items():
        if tops := [base / name for name in names if is_folder(base / name)]:
            found[split] = tops
    return found or {None: [base]}


def _folders(top: Path) -> list[str]:
    return [name for name in list_folders(top) if not name.startswith(".")]


def _pictures(top: Path, name: str, base: Path, issues: DataIssues) -> Iterator[tuple[bytes, str, str, int]]:
    """Yield path, class, video and frame number of every picture of one class."""
    for where, files in walk(top / name):
        short = os.path.relpath(where, base)
        strange = [f for f in files if not is_picture(f) and not f.startswith(".")]
        issues.note("foreign_files", short, escape(strange[0]) if strange else "", len(strange))
        for file in sorted(set(files) - set(strange)):
            if file.startswith("."):
                continue
            number = picture_number(file)
            video = f"{short}/{file}" if number is None else short
            yield os.fsencode(Path(where, file).absolute()), name, video, number or 1
