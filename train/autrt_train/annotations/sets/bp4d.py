"""Reader of BP4D as it is distributed (Zhang et al. 2014).

`AUCoding/AU_OCC/F001_T1.csv` holds a header of AU numbers and rows `frame,0|1|9,…`;
`AUCoding/AU_INT/AU12/F001_T1_AU12.csv` holds lines `frame,intensity`; 9 is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

import numpy as np

from autrt.storage.escape import escape
from autrt.types import I32
from autrt_train.annotations.annotation_table import read_csv
from autrt_train.annotations.columns import au_name, binary_labels, numbers, whole_numbers
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.frame_labels import FrameLabels, merge_by_frame, read_frame_labels
from autrt_train.annotations.pictures import CROPS, require_folder
from autrt_train.annotations.sets.coded_videos import (
    ACTIVE_FROM,
    index_coded_videos,
    refuse_split,
    require_codes,
)
from autrt_train.types import I8, DataError, Index, Split

UNKNOWN: Final = 9
"""Value of an AU that was not coded."""

_SESSION: Final = re.compile(r"([FM][0-9]+)_(T[0-9]+)", re.IGNORECASE)


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    images: str | None = None,
    coding: Literal["occurrence", "intensity"] = "occurrence",
    threshold: float = ACTIVE_FROM,
    people: Collection[str] | None = None,
    first_picture: int = 1,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read BP4D (or BP4D+, whose pictures are counted from 0: `first_picture=0`).

    Args:
        root: folder with `AUCoding` and `cropped_aligned`.
        split: must be None: BP4D has no split; name `people` instead.
        labels: folder of the codes, if not `AUCoding`.
        images: folder of the pictures, if not `cropped_aligned`: numbered pictures in `F001/T1` or `F001_T1`.
        coding: occurrence (`AU_OCC`), or intensities (`AU_INT`, five AUs).
        threshold: intensity from which an AU is active.
        people: people to read (F001, …); None: all.
        first_picture: number of the picture of frame 1.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Raises:
        DataError: codes or pictures are missing or invalid; names file and line.
    """
    refuse_split(split, "BP4D", "F001")
    require_folder(root, "BP4D")
    if coding not in ("occurrence", "intensity"):
        raise DataError(f"coding: expected occurrence or intensity, found {coding!r}")
    place = root / (labels or "AUCoding") / ("AU_OCC" if coding == "occurrence" else "AU_INT")
    sessions = {
        f"{match[1]}_{match[2]}".upper(): (match[1].upper(), match[2].upper())
        for file in place.rglob("*.csv")
        if (match := _SESSION.match(file.name)) and (people is None or match[1].upper() in people)
    }
    require_codes(
        sessions,
        f"{escape(str(place))}/{'F001_T1.csv' if coding == 'occurrence' else 'AU06/F001_T1_AU06.csv'}",
    )
    read = _occurrence if coding == "occurrence" else _intensity
    coded = {name: read(place, name, threshold) for name in sorted(sessions)}
    keys = {name: (person, f"{person}[/_]{task}") for name, (person, task) in sessions.items()}
    geometry = crop_geometry(root, margin_px, template)
    return index_coded_videos(coded, keys, root / (images or CROPS), first_picture, geometry)


def _occurrence(place: Path, session: str, threshold: float) -> FrameLabels:
    """Read the codes of one session; the first column is the frame, AUs that were never coded are left out."""
    del threshold
    table = read_csv(place / f"{session}.csv")
    first, *others = table.columns
    frame = whole_numbers(table[first], table.path, "frame")
    out: dict[str, tuple[I32, I8]] = {}
    for column in others:
        name = au_name(column) or au_name(f"AU{column}")
        values = numbers(table[column], table.path, f"AU {column}")
        values[values == UNKNOWN] = np.nan
        if name is not None and not np.isnan(values).all():
            out[name] = frame, binary_labels(values, None, table.path, name)
    return merge_by_frame(out)


def _intensity(place: Path, session: str, threshold: float) -> FrameLabels:
    files = {au_name(file.parent.name): file for file in sorted(place.glob(f"*/{session}*.csv"))}
    return merge_by_frame(
        {au: read_frame_labels(f, threshold, UNKNOWN) for au, f in files.items() if au is not None}
    )
