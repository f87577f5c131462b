"""Labels of a rendered set: Aff-Wild2's text files, `labels.npz` with everything, and a contact sheet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from autrt.aus import ABAW_AUS
from autrt_train.synth.dataset.contact_sheet import COLUMNS, ROWS, labelled_tile, write_contact_sheet
from autrt_train.synth.dataset.settings import CROP_MARGIN_PX, SynthSettings
from autrt_train.synth.dataset.stills import Still
from autrt_train.synth.person.expression import SYNTH_AUS

FOLDS: Final = ("Train_Set", "Validation_Set")
NARROW: Final = {"expression": np.int8, "presence": np.int8}
"""Integer fields of `Still` and their types in the file."""

Labels = dict[str, np.ndarray[Any, Any]]
"""Columns of `labels.npz` by name, one row a picture."""


def person_name(number: int) -> str:
    """Return the name of a person's folder and annotation file."""
    return f"p{number:06d}"


def picture_path(number: int, frame: int) -> str:
    """Return the path of a picture in the set; frames count from 1."""
    return f"cropped_aligned/{person_name(number)}/{frame:05d}.jpg"


def label_rows(stills: Sequence[Still], settings: SynthSettings, number: int) -> Labels:
    """Return one person's rows."""
    n = len(stills)
    known = {
        f.name: np.array([getattr(still, f.name) for still in stills], NARROW.get(f.name))
        for f in fields(Still)
        if f.name != "pixels"
    }
    validation = number >= settings.people - settings.validation_people
    return {
        "path": np.array([picture_path(number, k).encode() for k in range(1, n + 1)]),
        "person": np.full(n, number, np.int32),
        "frame": np.arange(1, n + 1, dtype=np.int32),
        **known,
        "split": np.full(n, validation, np.uint8),
    }


def write_labels(folder: Path, people: Sequence[Labels]) -> None:
    """Write the labels of all people, in order, into the set's folder, and draw the contact sheet."""
    for fold in FOLDS:
        (folder / "AU_Detection_Challenge" / fold).mkdir(parents=True)
    for number, rows in enumerate(people):
        _write_annotation(folder, number, rows)
    whole = {name: np.concatenate([rows[name] for rows in people]) for name in people[0]}
    np.savez_compressed(folder / "labels.npz", allow_pickle=False, **whole)
    _draw_sheet(folder, whole)


def _write_annotation(folder: Path, number: int, rows: Labels) -> None:
    """Write one person's annotation file; row k belongs to frame k."""
    columns = [SYNTH_AUS.index(name) for name in ABAW_AUS]
    lines = [",".join(ABAW_AUS), *(",".join(map(str, row)) for row in rows["label"][:, columns])]
    fold = FOLDS[int(rows["split"][0])]
    path = folder / "AU_Detection_Challenge" / fold / f"{person_name(number)}.txt"
    path.write_text("\n".join(lines) + "\n")


def _draw_sheet(folder: Path, labels: Labels) -> None:
    """Draw a contact sheet of pictures spread over all people."""
    paths = [folder / os.fsdecode(bytes(path)) for path in labels["path"]]
    rows = np.unique(np.linspace(0, len(paths) - 1, COLUMNS * ROWS).round().astype(int))
    tiles = [
        labelled_tile(
            np.asarray(cv2.imread(str(paths[i]), cv2.IMREAD_COLOR_RGB), np.uint8),
            SYNTH_AUS, labels["label"][i], labels["landmarks"][i], int(labels["presence"][i]), CROP_MARGIN_PX,
        )
        for i in rows
    ]  # fmt: skip
    write_contact_sheet(folder / "sheet.png", tiles)
