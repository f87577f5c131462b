"""Concatenation of indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autrt_train.types import MISSING, DataError, Index


def join_indices(parts: Sequence[Index]) -> Index:
    """Concatenate indices in order. Videos and persons of different parts stay different.

    Optional columns (soft targets, landmarks, presence, classes) that only some parts have are missing for
    the others. Of different margins the smallest is kept: the others' pictures are cut as they are read.

    Raises:
        DataError: the parts differ in labels, alignment template or class names.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        for name in ("label_names", "template", "class_names"):
            if getattr(part, name) != getattr(first, name):
                raise DataError(
                    f"data sets that are trained on together must agree in {name}: found {getattr(first, name)!r} "
                    f"in the first and {getattr(part, name)!r} in another; cut the crops anew with `autrt crop`"
                )
    margin_px = min(part.margin_px for part in parts)
    parts = [with_margin(part, margin_px) for part in parts]
    return Index(
        paths=np.concatenate([part.paths for part in parts]),
        label_names=first.label_names,
        labels=np.concatenate([part.labels for part in parts]),
        video=_offset([part.video for part in parts], [len(part.video_names) for part in parts]),
        video_names=tuple(name for part in parts for name in part.video_names),
        frame=np.concatenate([part.frame for part in parts]),
        person=_offset([part.person for part in parts], [len(part.person_names) for part in parts]),
        person_names=tuple(name for part in parts for name in part.person_names),
        targets=_optional(parts, "targets", np.nan),
        classes=_optional(parts, "classes", MISSING),
        class_names=first.class_names,
        landmarks=_optional(parts, "landmarks", np.nan),
        presence=_optional(parts, "presence", MISSING),
        weights=_optional(parts, "weights", 1.0),
        source=_sources(parts),
        source_shares=tuple(share for part in parts for share in part.source_shares),
        margin_px=margin_px,
        cut_px=_optional(parts, "cut_px", 0),
        template=first.template,
    )


def with_margin(index: Index, margin_px: int) -> Index:
    """Return the index with a margin that is at most its own; what its pictures have beyond is cut off."""
    surplus = index.margin_px - margin_px
    if not surplus:
        return index
    cut = np.full(len(index), surplus, np.int32) + (0 if index.cut_px is None else index.cut_px)
    return replace(index, margin_px=margin_px, cut_px=cut.astype(np.int32))


def _offset(columns: list[np.ndarray], counts: list[int]) -> np.ndarray:
    """Shift each part's row numbers to the place of its names in the concatenated name table."""
    starts = np.cumsum([0, *counts[:-1]])
    shifted = [np.where(c == MISSING, MISSING, c + start) for c, start in zip(columns, starts, strict=True)]
    return np.concatenate(shifted).astype(np.int32)


def _sources(parts: Sequence[Index]) -> Any:
    if all(part.source is None for part in parts):
        return None
    columns = [np.full(len(p), MISSING, np.int32) if p.source is None else p.source for p in parts]
    return _offset(columns, [len(part.source_shares) for part in parts])


def _optional(parts: Sequence[Index], name: str, missing: float) -> Any:
    known = [getattr(part, name) for part in parts]
    example = next((array for array in known if array is not None), None)
    if example is None:
        return None
    filled = [
        array if array is not None else np.full((len(part), *example.shape[1:]), missing, example.dtype)
        for array, part in zip(known, parts, strict=True)
    ]
    return np.concatenate(filled)
