"""DISFA as it is published (Mavadati et al. 2013).

`ActionUnit_Labels/SN001/SN001_au12.txt` holds lines `frame,intensity` (0…5), frames from 1.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from autrt.storage.escape import escape
from autrt_train.annotations.crop_facts import crop_facts
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.frame_values import by_frame, pair_labels
from autrt_train.annotations.pictures import CROPS, existing_root
from autrt_train.annotations.sets.coded import ACTIVE_FROM, coded_index, refuse_split, require_codes
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
) -> tuple[Index, Findings]:
    """Read DISFA.

    Args:
        root: folder with `ActionUnit_Labels` and `cropped_aligned` in it.
        split: DISFA has none: name `people` instead.
        labels: the folder of the labels, if it is another.
        images: the folder of pictures, if it is another: a folder of numbered pictures for each video, with the
            person in its name or in that of a folder above it (SN001, LeftVideoSN001_comp.avi). Both cameras may
            be there.
        threshold: the intensity from which an AU is active.
        people: these alone (SN001, …); None: all.
        first_picture: number of the picture of frame 1; 0 where pictures are counted from 0.
        margin_px: see `crop_facts`.
        template: see `crop_facts`.

    Raises:
        DataError: labels or pictures are missing or wrong; names file and line.
    """
    refuse_split(split, "DISFA", "SN001")
    existing_root(root, "DISFA")
    place = root / (labels or "ActionUnit_Labels")
    files: dict[str, dict[str, Path]] = {}
    for file in sorted(place.glob("*/*.txt")):
        if match := _FILE.fullmatch(file.name):
            files.setdefault(match[1].upper(), {})[f"AU{int(match[2])}"] = file
    coded = {
        person: by_frame({au: pair_labels(file, threshold) for au, file in aus.items()})
        for person, aus in files.items()
        if people is None or person in people
    }
    require_codes(coded, f"{escape(str(place))}/SN001/SN001_au1.txt, …")
    facts = crop_facts(root, margin_px, template)
    return coded_index(coded, {p: (p, p) for p in coded}, root / (images or CROPS), first_picture, facts)
