"""Sets whose folders are the classes: expressions, people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.escape import escape
from autrt.types import I32
from autrt.video.pictures import picture_number
from autrt_train.annotations.columns import codes
from autrt_train.annotations.crop_facts import crop_facts
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.pictures import CROPS, as_paths, is_picture
from autrt_train.types import MISSING, DataError, Index, Split

_SPLIT_NAMES: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("train", "Train_Set"),
    "validation": ("validation", "val", "valid", "Validation_Set"),
}


def read_class_folders(
    root: Path, split: Split | None, margin_px: int | None, template: str | None
) -> tuple[Index, Findings]:
    """Pictures at any depth below folders whose names are the classes.

    Classes are all folders of the whole set, so that the parts of a split number them alike. Numbered pictures
    (00001.jpg) are of the video that their folder is; any other picture stands alone. Folders in `cropped_aligned`
    count as folders of `root` where `autrt crop` made it.

    Raises:
        DataError: a split is asked for that is not there, or no picture is found.
    """
    base = root / CROPS if (root / CROPS).is_dir() else root
    parts = _parts(base)
    if split is not None and split not in parts:
        raise DataError(
            f"{escape(str(base))}: expected a folder {_SPLIT_NAMES[split][0]!r}, found none: name no split, and "
            "let a share of the data be the validation data"
        )
    class_names = sorted({name for tops in parts.values() for top in tops for name in _folders(top)})
    tops = parts[split] if split is not None else [top for tops in parts.values() for top in tops]
    findings = Findings()
    rows = [row for top in tops for name in _folders(top) for row in _pictures(top, name, base, findings)]
    if not rows:
        raise DataError(
            f"{escape(str(base))}: expected a folder of pictures for each class, found no picture in it"
        )
    paths, names, videos, frames = zip(*rows, strict=True)
    video, video_names = codes(videos)
    at = {name: i for i, name in enumerate(class_names)}
    facts = crop_facts(root, margin_px, template)
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
        margin_px=facts.margin_px,
        template=facts.template,
    ), findings


def _numbered(names: tuple[str, ...], at: dict[str, int]) -> I32:
    return np.array([at[name] for name in names], np.int32)


def _parts(base: Path) -> dict[Split | None, list[Path]]:
    """The folders of classes of each part; under None where nothing is parted."""
    found: dict[Split | None, list[Path]] = {}
    for split, names in _SPLIT_NAMES.items():
        if tops := [base / name for name in names if (base / name).is_dir()]:
            found[split] = tops
    return found or {None: [base]}


def _folders(top: Path) -> list[str]:
    with os.scandir(top) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _pictures(top: Path, name: str, base: Path, findings: Findings) -> Iterator[tuple[bytes, str, str, int]]:
    """Path, class, video and frame number of every picture of one class."""
    for where, folders, files in os.walk(top / name):
        folders.sort()
        short = os.path.relpath(where, base)
        strange = [f for f in files if not is_picture(f) and not f.startswith(".")]
        findings.note("foreign_files", short, escape(strange[0]) if strange else "", len(strange))
        for file in sorted(set(files) - set(strange)):
            if file.startswith("."):
                continue
            number = picture_number(file)
            video = f"{short}/{file}" if number is None else short
            yield os.fsencode(Path(where, file).absolute()), name, video, number or 1
