"""Reader of crops of own pictures and videos (`autrt crop`) with label files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.storage.escape import escape
from autrt_train.annotations.columns import name_ids
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.sets.manifest import read as read_manifest
from autrt_train.finetune.unnamed_people import picture_stem
from autrt_train.labels.agreement import combine_coders, to_labels
from autrt_train.labels.picture_lookup import AMBIGUOUS, NOT_FOUND, PictureLookup
from autrt_train.labels.read import LabelSettings, read_labels
from autrt_train.types import MISSING, DataError, Index, Split


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    threshold: float = 1,
    labels_format: str | None = None,
    every_s: float = 0.2,
    first_frame: int = 0,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read the crops that have a label.

    Args:
        root: output folder of `autrt crop`, or another folder of crops with a manifest.
        split: must be None: label files have none.
        labels: a label file or a folder of them (`docs/finetune.md`), relative to `root`.
        threshold: code from which an AU is present.
        labels_format: see `LabelSettings`.
        every_s: see `LabelSettings`.
        first_frame: see `LabelSettings`.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Returns:
        The crops and irregularities of the labels. Pictures whose label names no person are different people unless
        their names differ only by a number at the end.

    Raises:
        DataError: crops or labels are missing or wrong, or no crop has a label.
    """
    if split is not None:
        raise DataError("label files come without a split: leave `split` out, and name a file of each part")
    if labels is None:
        raise DataError("data of kind 'coded': expected `labels`, a label file or a folder of them")
    index, issues = read_manifest(root, margin_px=margin_px, template=template)
    settings = LabelSettings(labels_format, every_s, first_frame)
    coding, agreement = combine_coders(read_labels([root / labels], settings), threshold)
    if agreement is not None:
        issues.remark(str(agreement))
    keys = zip(coding.video.tolist(), coding.frame.tolist(), coding.track.tolist(), strict=True)
    lookup = PictureLookup(index)
    row = np.array([lookup.row(*key) for key in keys], np.int64).reshape(-1)
    issues.note("several_faces", str(labels), "", int((row == AMBIGUOUS).sum()))
    issues.note("labels_without_pictures", str(labels), "", int((row == NOT_FOUND).sum()))
    at, chosen = np.unique(row, return_index=True)
    at, chosen = at[at >= 0], chosen[at >= 0]
    if not len(at):
        raise DataError(
            f"{escape(str(labels))}: no label matches a crop in {escape(str(root))}: expected names such as "
            f"{', '.join(map(escape, index.video_names[:3]))}, found {escape(str(coding.video[0]))}"
        )
    people = coding.person[chosen].tolist()
    videos = [index.video_names[video] for video in index.video[at].tolist()]
    known = [who or picture_stem(video) for who, video in zip(people, videos, strict=True)]
    person, person_names = name_ids(known)
    found = replace(
        index.take(at), labels=_labels(coding.codes[chosen], threshold), label_names=coding.au_names
    )
    return replace(found, person=person, person_names=person_names), issues


def _labels(found: np.ndarray, threshold: float) -> np.ndarray:
    return to_labels(found, threshold) if found.size else np.full(found.shape, MISSING, np.int8)
