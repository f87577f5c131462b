"""An index built from labelled videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, I32
from autrt.video.crop_geometry import CropGeometry
from autrt_train.annotations.columns import name_ids
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import NumberedPictures, as_paths
from autrt_train.types import I8, Index


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledVideo:
    """Labelled pictures of one video. Letters in shapes: n pictures, L label columns."""

    name: str
    paths: NDArray[np.bytes_]
    frame: I32
    labels: I8
    """(n, L) int8: 1, 0 or `MISSING`."""
    targets: F32 | None = None
    """(n, L) float32 soft labels, or None."""
    person: str = ""
    """Name of the person, or empty if unknown."""


def match_pictures(
    pictures: NumberedPictures,
    frame: I32,
    labels: I8,
    name: str,
    issues: DataIssues,
    person: str = "",
    *,
    every_frame: bool = True,
) -> LabelledVideo:
    """Match label rows with pictures by frame number; rows without a picture are left out.

    Args:
        pictures: of the video.
        frame: (n,) int32, the picture number of each row.
        labels: (n, L) int8.
        name: of the video.
        issues: records missing frames, and a different number of rows and pictures.
        person: who is seen; empty if unknown.
        every_frame: each picture should have a row.
    """
    found, row = pictures.find(frame)
    if every_frame and len(frame) != len(pictures.frame):
        issues.note("row_mismatches", name, f"{len(frame)} rows, {len(pictures.frame)} pictures")
    if not found.all():
        issues.note("missing_frames", name, f"frame {frame[~found][0]}", int((~found).sum()))
    return LabelledVideo(
        name=name, paths=pictures.paths[row[found]], frame=frame[found], labels=labels[found], person=person
    )


def build_index(videos: Sequence[LabelledVideo], label_names: Sequence[str], geometry: CropGeometry) -> Index:
    """Return the index of all videos' pictures, in order."""
    sizes = [len(video.frame) for video in videos]
    width = len(label_names)
    person, person_names = name_ids([video.person for video in videos])
    with_targets = any(video.targets is not None for video in videos)
    return Index(
        paths=np.concatenate([as_paths([]), *(video.paths for video in videos)]),
        label_names=tuple(label_names),
        labels=np.concatenate([np.empty((0, width), np.int8), *(video.labels for video in videos)]),
        video=np.repeat(np.arange(len(videos), dtype=np.int32), sizes),
        video_names=tuple(video.name for video in videos),
        frame=np.concatenate([np.empty(0, np.int32), *(video.frame for video in videos)]),
        person=np.repeat(person, sizes),
        person_names=person_names,
        targets=_targets(videos, width) if with_targets else None,
        margin_px=geometry.margin_px,
        template=geometry.template,
    )


def _targets(videos: Sequence[LabelledVideo], width: int) -> F32:
    parts = [
        np.full((len(v.frame), width), np.nan, np.float32) if v.targets is None else v.targets for v in videos
    ]
    return np.concatenate(parts)
