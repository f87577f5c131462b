"""Data sets of a few people, coded frame by frame: codes and pictures brought together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from autrt_train.annotations.assemble import LabelledVideo, assemble, labelled_pictures
from autrt_train.annotations.crop_facts import CropFacts
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.frame_values import FrameValues
from autrt_train.annotations.pictures import numbered_pictures
from autrt_train.annotations.sets.frame_folders import folders_below
from autrt_train.types import I8, MISSING, DataError, Index, Split

ACTIVE_FROM: Final = 2.0
"""The intensity from which an AU counts as active, as is usual with DISFA and BP4D."""


def coded_index(
    coded: Mapping[str, FrameValues],
    keys: Mapping[str, tuple[str, str]],
    images: Path,
    first_picture: int,
    facts: CropFacts,
) -> tuple[Index, Findings]:
    """Bring codes and pictures together.

    Args:
        coded: labels by the coded video.
        keys: its person, and a regular expression for its folders of pictures, of which there may be several.
        images: folders of pictures lie below it.
        first_picture: number of the picture of frame 1.
        facts: how the pictures were cut.

    Raises:
        DataError: there are no pictures.
    """
    findings = Findings()
    names = sorted({au for values in coded.values() for au in values.names}, key=lambda au: int(au[2:]))
    found = folders_below(images, {name: pattern for name, (_, pattern) in keys.items()})
    videos: list[LabelledVideo] = []
    for name, values in coded.items():
        if not found[name]:
            findings.note("videos_without_pictures", name)
        rows = _columns(values, names)
        for folder in found[name]:
            short = folder.relative_to(images).as_posix()
            pictures = numbered_pictures(folder, findings, short)
            frame = (values.frame + (first_picture - 1)).astype(np.int32)
            videos.append(labelled_pictures(pictures, frame, rows, short, findings, keys[name][0]))
    return assemble(videos, names, facts), findings


def _columns(values: FrameValues, names: Sequence[str]) -> I8:
    out = np.full((len(values.frame), len(names)), MISSING, np.int8)
    for column, name in enumerate(values.names):
        out[:, names.index(name)] = values.labels[:, column]
    return out


def refuse_split(split: Split | None, what: str, example: str) -> None:
    """Say what to do instead of naming a split.

    Raises:
        DataError: one is named.
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
