"""Crops of one's own pictures and videos, with label files: what `autrt crop` cut and somebody coded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.results.names import escape
from autrt_train.annotations.columns import codes
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.manifest import read as read_manifest
from autrt_train.finetune.people import stem_of
from autrt_train.labels.agreement import combined, labels_of
from autrt_train.labels.places import UNCLEAR, Places
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
) -> tuple[Index, Findings]:
    """Read the crops that have a label.

    Args:
        root: what `autrt crop` wrote, or another folder of crops with a manifest.
        split: label files have none.
        labels: a label file or a folder of them (`docs/finetune.md`), relative to `root`.
        threshold: the code from which an AU is present.
        labels_format: see `LabelSettings`.
        every_s: see `LabelSettings`.
        first_frame: see `LabelSettings`.
        margin_px: see `crop_facts`.
        template: see `crop_facts`.

    Returns:
        People as the labels name them; pictures that name none are different people unless their names differ by a
        number at the end alone.

    Raises:
        DataError: crops or labels are missing or wrong, or no crop has a label.
    """
    if split is not None:
        raise DataError("label files come without a split: leave `split` out, and name a file of each part")
    if labels is None:
        raise DataError("data of kind 'coded': expected `labels`, a label file or a folder of such")
    index, findings = read_manifest(root, margin_px=margin_px, template=template)
    how = LabelSettings(labels_format, every_s, first_frame)
    coding, agreement = combined(read_labels([root / labels], how), threshold)
    if agreement is not None:
        findings.tell(str(agreement))
    keys = zip(coding.video.tolist(), coding.frame.tolist(), coding.track.tolist(), strict=True)
    places = Places(index)
    row = np.array([places.row(*key) for key in keys], np.int64).reshape(-1)
    findings.note("several_faces", str(labels), "", int((row == UNCLEAR).sum()))
    findings.note("labels_without_pictures", str(labels), "", int((row == -1).sum()))
    at, chosen = np.unique(row, return_index=True)
    at, chosen = at[at >= 0], chosen[at >= 0]
    if not len(at):
        raise DataError(
            f"{escape(str(labels))}: no label is of a crop in {escape(str(root))}: expected names such as "
            f"{', '.join(map(escape, index.video_names[:3]))}, found {escape(str(coding.video[0]))}"
        )
    people = coding.person[chosen].tolist()
    videos = [index.video_names[video] for video in index.video[at].tolist()]
    known = [who or stem_of(video) for who, video in zip(people, videos, strict=True)]
    person, person_names = codes(known)
    found = replace(
        index.take(at), labels=_labels(coding.codes[chosen], threshold), label_names=coding.au_names
    )
    return replace(found, person=person, person_names=person_names), findings


def _labels(found: np.ndarray, threshold: float) -> np.ndarray:
    return labels_of(found, threshold) if found.size else np.full(found.shape, MISSING, np.int8)
