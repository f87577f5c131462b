"""Codes of the user's label files, by video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from autrt.types import Source
from autrt_train.finetune.match_files import MatchedFile
from autrt_train.labels.agreement import combine_coders
from autrt_train.labels.coding import NO_FRAME, Coding
from autrt_train.labels.read import LabelSettings, read_labels
from autrt_train.recipe import FinetuneSettings
from autrt_train.types import DataError

Codings = dict[str, tuple[Source, Coding]]
"""Relative path → the video or picture, and its rows."""


def read_known_aus(
    settings: FinetuneSettings, au_names: Sequence[str], log: Callable[[str], object]
) -> Coding:
    """Read the codes of the AUs that the start knows, with one row per moment and person.

    Raises:
        DataError: labels are missing or invalid, or are of none of these AUs.
    """
    coding = read_labels(
        settings.data, LabelSettings(settings.format, settings.every_s, settings.first_frame)
    )
    known = [name for name in coding.au_names if name in au_names]
    unknown = [name for name in coding.au_names if name not in au_names]
    if not known:
        raise DataError(
            f"the labels are of {', '.join(unknown)}; expected some of the model "
            f"{settings.start!r}'s: {', '.join(au_names)}"
        )
    if unknown:
        log(f"left out, as the model {settings.start!r} does not know them: {', '.join(unknown)}")
    coding, agreement = combine_coders(coding.with_aus(known), settings.threshold)
    if agreement is not None:
        log(str(agreement))
    return coding.take(np.flatnonzero(~np.isnan(coding.codes).all(axis=1)))


def codings_by_video(coding: Coding, files: dict[str, MatchedFile]) -> Codings:
    """Return the rows of each file; rows without a file are left out."""
    matched = [files.get(name) for name in coding.video.tolist()]
    frame = np.array(
        [
            given if file is None or file.frame is None else file.frame
            for given, file in zip(coding.frame, matched, strict=True)
        ],
        np.int64,
    )
    coding = replace(coding, frame=np.where(coding.frame == NO_FRAME, frame, coding.frame))
    rows: dict[str, list[int]] = {}
    sources: dict[str, Source] = {}
    for row, file in enumerate(matched):
        if file is not None:
            rows.setdefault(file.source.relative, []).append(row)
            sources[file.source.relative] = file.source
    return {
        name: (sources[name], coding.take(np.array(some, np.int64))) for name, some in sorted(rows.items())
    }
