"""Reader of DISFA as it is distributed (Mavadati et al. 2013).

`ActionUnit_Labels/SN001/SN001_au12.txt` holds lines `frame,intensity` (0…5), with frames from 1.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from autrt.storage.escape import escape
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.frame_labels import merge_by_frame, read_frame_labels
from autrt_train.annotations.pictures import CROPS, require_folder
from autrt_train.annotations.sets.coded_videos import (
    ACTIVE_FROM,
    index_coded_videos,
    refuse_split,
    require_codes,
)
from autrt_train.types import Index, Split

_FILE: Final = re.compile(r"(SN[0-9]+)_au([0-9]+)\.txt", re.IGNORECASE)


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    images: str | None = None,
    threshold: float = ACTIVE_FROM,
    people: Collection[str] | None = None,
    first_picture: int = 1,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read DISFA.

    Args:
        root: folder with `ActionUnit_Labels` and `cropped_aligned`.
        split: must be None: DISFA has no split; name `people` instead.
        labels: folder of the labels, if not `ActionUnit_Labels`.
        images: folder of the pictures, if not `cropped_aligned`: a folder of numbered pictures for each video,
            with the person in its name or in that of a folder above it (SN001, LeftVideoSN001_comp.avi). Both
            cameras may be there.
        threshold: intensity from which an AU is active.
        people: people to read (SN001, …); None: all.
        first_picture: number of the picture of frame 1; 0 if pictures are counted from 0.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Raises:
        DataError: labels or pictures are missing or invalid; names file and line.
    """
    refuse_split(split, "DISFA", "SN001")
    require_folder(root, "DISFA")
    place = root / (labels or "ActionUnit_Labels")
    files: dict[str, dict[str, Path]] = {}
    for file in sorted(place.glob("*/*.txt")):
        if match := _FILE.fullmatch(file.name):
            files.setdefault(match[1].upper(), {})[f"AU{int(match[2])}"] = file
    coded = {
        person: merge_by_frame({au: read_frame_labels(file, threshold) for au, file in aus.items()})
        for person, aus in files.items()
        if people is None or person in people
    }
    require_codes(coded, f"{escape(str(place))}/SN001/SN001_au1.txt, …")
    geometry = crop_geometry(root, margin_px, template)
    return index_coded_videos(
        coded, {p: (p, p) for p in coded}, root / (images or CROPS), first_picture, geometry
    )
