"""Reader of Aff-Wild2's AU challenge as it is distributed (Kollias et al. 2022), including its irregularities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.storage.escape import escape
from autrt_train.annotations.build_index import LabelledVideo, build_index, match_pictures
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import CROPS, numbered_pictures, require_folder, video_folders
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
) -> tuple[Index, DataIssues]:
    """Read the data set.

    Data row k of `<video>.txt` (from 1) belongs to `<images>/<video>/%05d.jpg` of number k. `_left` and
    `_right` show
    two people of one recording: each is a video, and both have the recording as their person, so that folds do
    not separate them.

    Args:
        root: folder with the annotations and the pictures.
        split: Train_Set or Validation_Set; None: both.
        labels: folder of the annotations, if elsewhere: the one with Train_Set and Validation_Set, or one
            above it.
        images: folders of pictures below `root`; default: the data set's two.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Returns:
        The index, with `label_names` = `ABAW_AUS`, and the data set's issues.

    Raises:
        DataError: root, annotations or pictures are missing, or a text is invalid (names file and line).
    """
    require_folder(root, "Aff-Wild2")
    issues = DataIssues()
    texts = label_texts(root / (labels or ""), split)
    folders = video_folders(_image_roots(root, images), issues)
    persons = recordings([text.stem for text in texts])
    videos: list[LabelledVideo] = []
    for text in texts:
        name = text.stem
        if name not in folders:
            issues.note("videos_without_pictures", name)
            continue
        rows = read_labels(text)
        frame = np.arange(1, len(rows) + 1, dtype=np.int32)
        pictures = numbered_pictures(folders[name], issues, name)
        videos.append(match_pictures(pictures, frame, rows, name, issues, persons[name]))
    return build_index(videos, ABAW_AUS, crop_geometry(root, margin_px, template)), issues


def label_texts(root: Path, split: Split | None) -> list[Path]:
    """Return the label texts sorted by name, the training set's first.

    Args:
        root: folder with Train_Set and Validation_Set, or one above it.
        split: one of the two; None: both.

    Raises:
        DataError: there are no label texts.
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
    """Return labels as (rows, 12) int8 in the order of `ABAW_AUS`; AUs that the file lacks are `MISSING`.

    Raises:
        DataError: the file is not a label text; names the line.
    """
    names, found = read_label_text(text, ABAW_AUS)
    labels = np.full((len(found), len(ABAW_AUS)), MISSING, np.int8)
    labels[:, [ABAW_AUS.index(name) for name in names]] = found
    return labels


def recordings(names: Sequence[str]) -> dict[str, str]:
    """Return video → the recording that it shares with another video, or empty."""
    recording = {name: name for name in names}
    for name in names:
        for side in _SIDES:
            recording[name] = recording[name].removesuffix(side)
    shared = Counter(recording.values())
    return {name: base if shared[base] > 1 else "" for name, base in recording.items()}
