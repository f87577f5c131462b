"""Reader of Aff-Wild2's AU challenge as it is distributed (Kollias et al. 2022), including its irregularities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.storage.escape import escape
from autrt.types import I32
from autrt.video.crop_geometry import CROP_JSON
from autrt_train.annotations.build_index import LabelledVideo, build_index, match_pictures
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import CROPS, numbered_pictures, require_folder, video_folders
from autrt_train.annotations.sets.affwild2_layout import SPLITS, AffWild2Layout, find_layout
from autrt_train.annotations.sets.label_text import read_label_text
from autrt_train.annotations.sets.multi_task_text import read_multi_task_text
from autrt_train.types import I8, MISSING, DataError, Index, Split

Task = Literal["au", "multi-task"]
"""The AU challenge's texts, or those of s-Aff-Wild2, which name single frames."""

_SIDES: Final = ("_left", "_right")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRows:
    """Labels of one video."""

    name: str
    frame: I32
    """(n,) int32, from 1."""
    labels: I8
    """(n, 12) int8 in the order of `ABAW_AUS`."""
    every_frame: bool
    """True if there is a row for each frame of the video, in order."""
    person: str
    """The recording that it shares with another video, or empty."""


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    images: Sequence[str] | None = None,
    task: Task | None = None,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read the data set, whose parts are searched for below `root`.

    Data row k of `<video>.txt` (from 1) belongs to `<images>/<video>/%05d.jpg` of number k. `_left` and `_right`
    show two people of one recording: each is a video, and both have the recording as their person, so that folds
    do not separate them.

    Args:
        root: folder with the annotations and the pictures.
        split: Train_Set or Validation_Set; None: both.
        labels: folder of the annotations, if elsewhere: the one with Train_Set and Validation_Set, or one
            above it.
        images: folders of pictures below `root`; default: all that are found.
        task: the annotations; default: those of the AU challenge where there are any.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Returns:
        The index, with `label_names` = `ABAW_AUS`, and the data set's issues.

    Raises:
        DataError: root, annotations or pictures are missing, or a text is invalid (names file and line).
    """
    require_folder(root, "Aff-Wild2")
    issues = DataIssues()
    layout = find_layout(root)
    texts = layout if labels is None else find_layout(require_folder(root / labels, "annotations"))
    videos_rows = _read_rows(texts, split, task)
    folders = video_folders(_picture_roots(layout, images), issues)
    for line in dict.fromkeys([*layout.lines(), *(texts.lines() if texts is not layout else ())]):
        issues.remark(line)
    videos = [
        _with_pictures(rows, folders[rows.name], issues) for rows in videos_rows if rows.name in folders
    ]
    for rows in videos_rows:
        if rows.name not in folders:
            issues.note("videos_without_pictures", rows.name)
    return build_index(
        videos, ABAW_AUS, crop_geometry(_above_crops(root, layout), margin_px, template)
    ), issues


def read_video_rows(root: Path, split: Split | None, task: Task | None = None) -> list[VideoRows]:
    """Return the labels of each video sorted by name, the training set's first.

    Args:
        root: folder with the annotations.
        split: Train_Set or Validation_Set; None: both.
        task: see `read`.

    Raises:
        DataError: there are none, or a text is invalid.
    """
    return _read_rows(find_layout(require_folder(root, "Aff-Wild2")), split, task)


def _read_rows(layout: AffWild2Layout, split: Split | None, task: Task | None) -> list[VideoRows]:
    splits: list[Split] = [split] if split else list(SPLITS)
    if task is None:
        task = "au" if layout.challenges or not any(layout.multi_task.values()) else "multi-task"
    return _multi_task(layout, splits) if task == "multi-task" else _challenge(layout, splits)


def _challenge(layout: AffWild2Layout, splits: Sequence[Split]) -> list[VideoRows]:
    texts: list[Path] = []
    for name in (SPLITS[split] for split in splits):
        places = [place / name for place in layout.challenges if (place / name).is_dir()]
        nearest = [place for place in places if len(place.parts) == len(places[0].parts)]
        if len(nearest) > 1:
            raise DataError(
                f"{escape(str(layout.root))}: expected one folder {name}, found {escape(str(nearest[0]))} and "
                f"{escape(str(nearest[1]))}: set `labels` to the one that is meant"
            )
        texts += sorted(text for place in nearest for text in place.glob("*.txt") if text.name[0] != ".")
    if not texts:
        wanted = " or ".join(SPLITS[split] for split in splits)
        raise layout.missing(f"label texts in AU_Detection_Challenge/{wanted}")
    persons = recordings([text.stem for text in texts])
    out: list[VideoRows] = []
    for text in texts:
        labels = read_labels(text)
        frame = np.arange(1, len(labels) + 1, dtype=np.int32)
        name = text.stem
        out.append(VideoRows(name=name, frame=frame, labels=labels, every_frame=True, person=persons[name]))
    return out


def _multi_task(layout: AffWild2Layout, splits: Sequence[Split]) -> list[VideoRows]:
    rows: dict[str, tuple[I32, I8]] = {}
    for split in splits:
        texts = layout.multi_task[split]
        if len(texts) > 1:
            raise DataError(
                f"{escape(str(layout.root))}: expected one multi-task text of {SPLITS[split]}, found "
                f"{escape(str(texts[0]))} and {escape(str(texts[1]))}: keep the one that is meant"
            )
        if texts:
            rows |= read_multi_task_text(texts[0])
    if not rows:
        raise layout.missing(
            "multi-task texts (training_set_annotations.txt, validation_set_annotations.txt)"
        )
    persons = recordings(list(rows))
    return [
        VideoRows(name=name, frame=frame, labels=labels, every_frame=False, person=persons[name])
        for name, (frame, labels) in rows.items()
    ]


def _with_pictures(rows: VideoRows, folder: Path, issues: DataIssues) -> LabelledVideo:
    pictures = numbered_pictures(folder, issues, rows.name)
    return match_pictures(
        pictures, rows.frame, rows.labels, rows.name, issues, rows.person, every_frame=rows.every_frame
    )


def _picture_roots(layout: AffWild2Layout, images: Sequence[str] | None) -> list[Path]:
    if images is None:
        if not layout.pictures:
            raise layout.missing(f"folders of pictures ({CROPS}/<video>/00001.jpg)")
        return layout.pictures
    wanted = [layout.root / name for name in images]
    if lacking := [escape(str(path)) for path in wanted if not path.is_dir()]:
        raise DataError(f"expected folders of pictures, found none at {', '.join(lacking)}: set `images`")
    return wanted


def _above_crops(root: Path, layout: AffWild2Layout) -> Path:
    """Return the folder whose `crop.json` states the geometry: the root, or one below with own crops."""
    own = {folder.parent for folder in layout.pictures if (folder.parent / CROP_JSON).is_file()}
    return next(iter(own)) if len(own) == 1 else root


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
