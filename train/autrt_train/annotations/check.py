"""Checks of training data: counts, undecodable pictures, duplicates; and refusal of unusable data."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from autrt.errors import VideoError
from autrt.storage.escape import escape
from autrt.types import CROP_SIZE_PX, I64
from autrt.video.pictures import read_picture
from autrt_train.annotations.data_issues import EXAMPLES, DataIssues
from autrt_train.annotations.duplicates import duplicates_between
from autrt_train.types import MISSING, DataError, Index

SCHEMA: Final = "autrt-data-check/1"
SAMPLE: Final = 1000
"""Pictures that are decoded by default."""


def check_index(
    train: Index,
    validation: Index | None = None,
    issues: Sequence[tuple[str, DataIssues]] = (),
    *,
    sample: int | None = SAMPLE,
    seed: int = 0,
) -> dict[str, Any]:
    """Check data and return a report.

    Args:
        train: training data.
        validation: validation data.
        issues: name and recorded issues of each data set that was read.
        sample: number of pictures to decode of each part, drawn by `seed`; None: all.
        seed: of the sample.

    Returns:
        A report of JSON values: `schema`; `parts` (train, validation: counts, AUs, classes, pictures),
            `duplicates`
        between the parts, `issues` by data set, and `problems`: lines about what `require_trainable` would
        refuse, and what else should be looked at.
    """
    parts = {"train": train} if validation is None else {"train": train, "validation": validation}
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "parts": {name: _part(index, sample, seed) for name, index in parts.items()},
        "duplicates": None if validation is None else _duplicates(train, validation),
        "findings": _by_name(issues),
    }
    return report | {"problems": _problems(report, train)}


def _by_name(issues: Sequence[tuple[str, DataIssues]]) -> dict[str, Any]:
    """Return the issues as JSON values; equal names are numbered, so that none replaces another."""
    found: dict[str, Any] = {}
    for name, some in issues:
        n = sum(key == name or key.startswith(f"{name} (") for key in found)
        found[f"{name} ({n + 1})" if n else name] = some.as_dict()
    return found


def require_trainable(index: Index, au_names: Sequence[str]) -> None:
    """Refuse data that cannot be trained on.

    Args:
        index: the training pictures.
        au_names: the AUs to be trained; empty for classes.

    Raises:
        DataError: there is no picture, or an AU without labels or without positive labels.
    """
    faults = _faults(index, au_names)
    if faults:
        raise DataError("these data cannot be trained on:\n" + "\n".join(f"  {fault}" for fault in faults))


def require_template(index: Index, template: str, model: str) -> None:
    """Refuse pictures that are aligned to another template than the model's.

    Raises:
        DataError: the templates differ.
    """
    if index.template != template:
        raise DataError(
            f"the pictures are aligned to the template {index.template!r}, {model} expects {template!r}: cut them "
            "anew from the videos with `autrt crop --model` and this model"
        )


def _faults(index: Index, au_names: Sequence[str]) -> list[str]:
    if not len(index):
        return [
            "there is no picture: expected at least one with a label; look at the paths, and at what was skipped"
        ]
    labels = index.with_labels(au_names).labels
    out: list[str] = []
    for column, name in enumerate(au_names):
        known = labels[:, column] != MISSING
        if not known.any():
            out.append(
                f"{name} has no label in any picture: leave it out of `au_names`, or add data that have it"
            )
        elif not (labels[:, column] == 1).any():
            out.append(
                f"{name} is active in no picture ({int(known.sum())} are labelled): leave it out of `au_names`, or "
                "add data that show it"
            )
    return out


def _part(index: Index, sample: int | None, seed: int) -> dict[str, Any]:
    return {
        "pictures": len(index),
        "videos": len(np.unique(index.video)),
        "persons": len(np.unique(index.person[index.person >= 0])),
        "template": index.template,
        "margin_px": index.margin_px,
        "aus": {name: _counts(index, column) for column, name in enumerate(index.label_names)},
        "any_missing": int((index.labels == MISSING).any(axis=1).sum()),
        "classes": _classes(index),
        "decoded": _check_pictures(index, sample, seed),
    }


def _counts(index: Index, column: int) -> dict[str, Any]:
    labels = index.labels[:, column]
    positive, negative = int((labels == 1).sum()), int((labels == 0).sum())
    share = positive / (positive + negative) if positive + negative else None
    missing = len(index) - positive - negative
    return {"positive": positive, "negative": negative, "missing": missing, "share": share}


def _classes(index: Index) -> dict[str, int] | None:
    if index.classes is None:
        return None
    counts = np.bincount(index.classes[index.classes >= 0], minlength=len(index.class_names))
    return dict(zip(index.class_names, counts.tolist(), strict=True))


def _check_pictures(index: Index, sample: int | None, seed: int) -> dict[str, Any]:
    """Decode pictures; report those that cannot be decoded or have another size than the index states."""
    rows: I64 = np.arange(len(index))
    if sample is not None and sample < len(rows):
        rows = np.sort(np.random.default_rng([seed]).choice(rows, sample, replace=False))
    side = CROP_SIZE_PX + 2 * index.margin_px
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(lambda row: _decode(index, int(row)), rows))
    sides = [side + (0 if index.cut_px is None else 2 * int(index.cut_px[row])) for row in rows.tolist()]
    unreadable = [f"{path}: {error}" for path, _, error in decoded if error]
    sizes = {size for _, size, error in decoded if not error}
    wrong = [
        f"{path}: {w}×{h}"
        for (path, (w, h), error), own in zip(decoded, sides, strict=True)
        if not error and (w, h) != (own, own)
    ]
    return {
        "looked_at": len(rows),
        "expected_px": side,
        "sizes_px": [f"{w}×{h}" for w, h in sorted(sizes)[:EXAMPLES]],
        "unreadable": {"count": len(unreadable), "examples": unreadable[:EXAMPLES]},
        "other_size": {"count": len(wrong), "examples": wrong[:EXAMPLES]},
    }


def _decode(index: Index, row: int) -> tuple[str, tuple[int, int], str]:
    """Return a picture's path, its width and height, and an error message (empty if it can be decoded)."""
    path = index.path(row)
    try:
        height, width, _ = read_picture(path).shape
    except VideoError as error:
        return escape(str(path)), (0, 0), str(error)
    return escape(str(path)), (width, height), ""


def _duplicates(train: Index, validation: Index) -> dict[str, Any]:
    pairs = duplicates_between(train, validation)
    examples = [
        f"{escape(str(train.path(a)))} = {escape(str(validation.path(b)))}"
        for a, b in pairs[:EXAMPLES].tolist()
    ]
    return {"count": len(pairs), "examples": examples}


def _problems(report: dict[str, Any], train: Index) -> list[str]:
    out = _faults(train, train.label_names)
    for name, part in report["parts"].items():
        if not part["pictures"] and name != "train":
            out.append(f"{name}: there is no picture")
        for key, what in (("unreadable", "cannot be decoded"), ("other_size", "have another size")):
            found = part["decoded"][key]
            if found["count"]:
                of = f"{found['count']} of {part['decoded']['looked_at']} pictures {what}"
                out.append(f"{name}: {of}, such as {found['examples'][0]}")
    if report["duplicates"] and report["duplicates"]["count"]:
        found = report["duplicates"]
        out.append(f"{found['count']} pictures are in both parts, such as {found['examples'][0]}")
    return out
