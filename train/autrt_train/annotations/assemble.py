"""From labelled videos to an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, I32
from autrt_train.annotations.columns import codes
from autrt_train.annotations.crop_facts import CropFacts
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.pictures import Numbered, as_paths
from autrt_train.types import I8, Index


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """The labelled pictures of one video."""

    name: str
    paths: NDArray[np.bytes_]
    frame: I32
    labels: I8
    """(n, L)."""
    targets: F32 | None = None
    """(n, L)."""
    person: str = ""
    """Empty where nobody knows."""


def labelled_pictures(
    pictures: Numbered, frame: I32, labels: I8, name: str, findings: Findings, person: str = ""
) -> LabelledVideo:
    """Bring label rows and pictures together; rows without a picture are left out.

    Args:
        pictures: of the video.
        frame: (n,) int32, the picture's number for each row.
        labels: (n, L) int8.
        name: of the video.
        findings: is told of missing frames, and where the numbers of rows and pictures differ.
        person: who is seen.
    """
    found, row = pictures.find(frame)
    if len(frame) != len(pictures.frame):
        findings.note("row_mismatches", name, f"{len(frame)} rows, {len(pictures.frame)} pictures")
    if not found.all():
        findings.note("missing_frames", name, f"frame {frame[~found][0]}", int((~found).sum()))
    return LabelledVideo(name, pictures.paths[row[found]], frame[found], labels[found], person=person)


def assemble(videos: Sequence[LabelledVideo], label_names: Sequence[str], facts: CropFacts) -> Index:
    """All videos' pictures, in order."""
    sizes = [len(video.frame) for video in videos]
    width = len(label_names)
    person, person_names = codes([video.person for video in videos])
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
        margin_px=facts.margin_px,
        template=facts.template,
    )


def _targets(videos: Sequence[LabelledVideo], width: int) -> F32:
    parts = [
        np.full((len(v.frame), width), np.nan, np.float32) if v.targets is None else v.targets for v in videos
    ]
    return np.concatenate(parts)
