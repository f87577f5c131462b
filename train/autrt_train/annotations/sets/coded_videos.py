"""Index of data sets of a few people coded frame by frame (BP4D, DISFA)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from autrt.video.crop_geometry import CropGeometry
from autrt_train.annotations.build_index import LabelledVideo, build_index, match_pictures
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.frame_labels import FrameLabels
from autrt_train.annotations.pictures import numbered_pictures
from autrt_train.annotations.sets.picture_folders import find_picture_folders
from autrt_train.types import I8, MISSING, DataError, Index, Split

ACTIVE_FROM: Final = 2.0
"""Intensity from which an AU counts as active, as is usual for DISFA and BP4D."""


def index_coded_videos(
    coded: Mapping[str, FrameLabels],
    keys: Mapping[str, tuple[str, str]],
    images: Path,
    first_picture: int,
    geometry: CropGeometry,
) -> tuple[Index, DataIssues]:
    """Match codes with pictures.

    Args:
        coded: name of the coded video → its labels.
        keys: name → its person, and a regular expression for its folders of pictures (there may be several).
        images: folder above the folders of pictures.
        first_picture: number of the picture of frame 1.
        geometry: of the crops.

    Raises:
        DataError: there are no pictures.
    """
    issues = DataIssues()
    names = sorted({au for values in coded.values() for au in values.names}, key=lambda au: int(au[2:]))
    found = find_picture_folders(images, {name: pattern for name, (_, pattern) in keys.items()})
    videos: list[LabelledVideo] = []
    for name, values in coded.items():
        if not found[name]:
            issues.note("videos_without_pictures", name)
        rows = _columns(values, names)
        for folder in found[name]:
            short = folder.relative_to(images).as_posix()
            pictures = numbered_pictures(folder, issues, short)
            frame = (values.frame + (first_picture - 1)).astype(np.int32)
            videos.append(match_pictures(pictures, frame, rows, short, issues, keys[name][0]))
    return build_index(videos, names, geometry), issues


def _columns(values: FrameLabels, names: Sequence[str]) -> I8:
    out = np.full((len(values.frame), len(names)), MISSING, np.int8)
    for column, name in enumerate(values.names):
        out[:, names.index(name)] = values.labels[:, column]
    return out


def refuse_split(split: Split | None, what: str, example: str) -> None:
    """Refuse a split, and name the alternative.

    Raises:
        DataError: `split` is not None.
    """
    if split is not None:
        raise DataError(
            f"{what} comes without a split: leave `split` out, and name the people of each part, such as "
            f'people = ["{example}"], or let a share of the people be the validation data'
        )


def require_codes(found: Collection[str], where: str) -> None:
    """Refuse a data set without codes.

    Raises:
        DataError: nothing was found.
    """
    if not found:
        raise DataError(f"expected codes as published, {where}; found none (or none of these people)")
