"""Aff-Wild2's AU challenge as it lies on disk (Kollias et al. 2022), with all its irregularities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.storage.escape import escape
from autrt_train.annotations.assemble import LabelledVideo, assemble, labelled_pictures
from autrt_train.annotations.crop_facts import crop_facts
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.pictures import CROPS, existing_root, numbered_pictures, video_folders
from autrt_train.annotations.sets.label_text import read_label_text
from autrt_train.types import I8, MISSING, DataError, Index, Split

IMAGE_ROOTS: Final = (CROPS, "cropped_aligned_new_50_vids")
SPLITS: Final[dict[Split, str]] = {"train": "Train_Set", "validation": "Validation_Set"}
_CHALLENGES: Final = ("AU_Detection_Challenge", "Action_Unit_Detection_Challenge")
_SIDES: Final = ("_left", "_right")


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    images: Sequence[str] | None = None,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, Findings]:
    """Read the data set.

    Data row k of `<video>.txt` (from 1) belongs to `<images>/<video>/%05d.jpg` of number k. `_left` and `_right`
    are two people of one recording: each is a video, and both have the recording as their person, so that no fold
    parts them.

    Args:
        root: folder that holds the annotations and the pictures.
        split: Train_Set or Validation_Set; None: both.
        labels: folder of the annotations, if it lies elsewhere: the one with Train_Set and Validation_Set, or one
            above it.
        images: folders of pictures below `root`; by default the two that the data set has.
        margin_px: see `crop_facts`.
        template: see `crop_facts`.

    Returns:
        The index, `label_names` = `ABAW_AUS`, and what was irregular.

    Raises:
        DataError: root, annotations or pictures are missing, or a text is wrong (file and line are named).
    """
    existing_root(root, "Aff-Wild2")
    findings = Findings()
    texts = label_texts(root / (labels or ""), split)
    folders = video_folders(_image_roots(root, images), findings)
    persons = recordings([text.stem for text in texts])
    videos: list[LabelledVideo] = []
    for text in texts:
        name = text.stem
        if name not in folders:
            findings.note("videos_without_pictures", name)
            continue
        rows = read_labels(text)
        frame = np.arange(1, len(rows) + 1, dtype=np.int32)
        pictures = numbered_pictures(folders[name], findings, name)
        videos.append(labelled_pictures(pictures, frame, rows, name, findings, persons[name]))
    return assemble(videos, ABAW_AUS, crop_facts(root, margin_px, template)), findings


def label_texts(root: Path, split: Split | None) -> list[Path]:
    """The label texts, in order of name; the training set's first.

    Args:
        root: folder with Train_Set and Validation_Set, or one above it.
        split: one of the two; None: both.

    Raises:
        DataError: there are none.
    """
    base = _annotations(root)
    wanted = [SPLITS[split]] if split else list(SPLITS.values())
    texts = [text for name in wanted for text in sorted((base / name).glob("*.txt")) if text.name[0] != "."]
    if not texts:
        raise DataError(f"{escape(str(base))}: expected label texts in {' or '.join(wanted)}, found none")
    return texts


def _annotations(root: Path) -> Path:
    places = [root, *(root / name for name in _CHALLENGES)]
    places += [root / "annotations" / name for name in _CHALLENGES]
    for place in places:
        if any((place / name).is_dir() for name in SPLITS.values()):
            return place
    raise DataError(
        f"{escape(str(root))}: expected {_CHALLENGES[0]}/{SPLITS['train']} and {SPLITS['validation']} in it, found "
        "neither: unpack the annotations there, or set `labels` to their folder"
    )


def _image_roots(root: Path, images: Sequence[str] | None) -> list[Path]:
    wanted = [root / name for name in (IMAGE_ROOTS if images is None else images)]
    found = [path for path in wanted if path.is_dir()]
    if not found or (images is not None and len(found) < len(wanted)):
        lacking = ", ".join(escape(str(path)) for path in wanted if not path.is_dir())
        raise DataError(f"expected folders of pictures, found none at {lacking}: set `images`")
    return found


def read_labels(text: Path) -> I8:
    """(rows, 12) int8 in the order of `ABAW_AUS`; an AU that the file lacks is missing.

    Raises:
        DataError: it is no label text; names the line.
    """
    names, found = read_label_text(text, ABAW_AUS)
    labels = np.full((len(found), len(ABAW_AUS)), MISSING, np.int8)
    labels[:, [ABAW_AUS.index(name) for name in names]] = found
    return labels


def recordings(names: Sequence[str]) -> dict[str, str]:
    """Video → the recording that it shares with another video; empty where it shares none."""
    recording = {name: name for name in names}
    for name in names:
        for side in _SIDES:
            recording[name] = recording[name].removesuffix(side)
    shared = Counter(recording.values())
    return {name: base if shared[base] > 1 else "" for name, base in recording.items()}
