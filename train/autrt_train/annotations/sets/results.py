"""Reader of crops of videos with results of `autrt infer` and a label file for each video.

The results give the faces in each frame and the frame's time, so labels may be given by frame or by time.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from autrt.errors import ResultsError
from autrt.results.find import find_results
from autrt.results.reader import open_results
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape
from autrt.types import I64
from autrt_train.annotations.annotation_table import Table, read_table
from autrt_train.annotations.build_index import LabelledVideo, build_index, match_pictures
from autrt_train.annotations.crop_geometry import crop_geometry
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.pictures import (
    CROPS,
    NumberedPictures,
    as_paths,
    numbered_pictures,
    require_folder,
    still_crop_name,
    without_video_suffix,
)
from autrt_train.annotations.sets.label_table import FrameFaces, LabelTable, au_columns
from autrt_train.types import DataError, Index, Split

LABEL_SUFFIXES: Final = (".csv", ".txt", ".parquet")


def read(
    root: Path,
    split: Split | None = None,
    *,
    labels: Path | None = None,
    crops: str | None = None,
    threshold: float | None = None,
    margin_px: int | None = None,
    template: str | None = None,
) -> tuple[Index, DataIssues]:
    """Read results with labels.

    A label file is a table with AU columns. Its rows are labels of the frame in a column `frame` (from 1), or
    from the time in a column `time_s` to that of the next row, or else row k is frame k, as in Aff-Wild2. With
    a column `track` a row applies to that face; without, to the frame's main face, or if every track was
    cropped (`autrt crop --all-faces`), to its only face.

    Args:
        root: results folder of `autrt infer` (`results` in the output of `autrt crop`).
        split: must be None: results have no split.
        labels: folder of the label files, `talks/anna.csv` or `talks/anna.mp4.csv` for `talks/anna.mp4.h5`;
            default: `labels`; relative to the folder that contains `root`.
        crops: output of `autrt crop`; default: the folder that contains `root`; relative to it.
        threshold: intensity from which an AU is active; None: AU columns hold 0, 1, −1 or nothing.
        margin_px: see `crop_geometry`.
        template: see `crop_geometry`.

    Raises:
        DataError: results, labels or crops are missing or invalid; names file and line.
    """
    if split is not None:
        raise DataError("results come without a split: leave `split` out, or use folders of their own")
    require_folder(root, "results (`autrt infer`)")
    cropped = require_folder(beside(root, crops or ""), "crops (`autrt crop`)")
    place = require_folder(beside(root, labels or "labels"), "label files")
    issues, found = DataIssues(), list[tuple[str, Table, Path]]()
    for file, relative in find_results([root]):
        name = relative.as_posix().removesuffix(SUFFIX)
        if table := label_file(place, name):
            found.append((name, read_table(table), file))
    if not found:
        raise DataError(
            f"{escape(str(place))}: expected a label file for each video in {escape(str(root))}, found none"
        )
    names = tuple(dict.fromkeys(au for _, table, _ in found for au in au_columns(table)))
    videos = [
        video
        for name, table, file in found
        for video in _videos(name, file, LabelTable.of(table, names, threshold), cropped / CROPS, issues)
    ]
    return build_index(videos, names, crop_geometry(cropped, margin_px, template)), issues


def beside(root: Path, name: Path | str) -> Path:
    """Return a path relative to the folder that contains `root`."""
    return Path(os.path.normpath(root.absolute().parent / name))


def label_file(place: Path, name: str) -> Path | None:
    """Return the label file of a video in a folder of label files, or None."""
    video = PurePosixPath(name)
    stems = dict.fromkeys((video.name, without_video_suffix(video.name), video.stem))
    files = [place / video.parent / (stem + suffix) for stem in stems for suffix in LABEL_SUFFIXES]
    return next((file for file in files if file.is_file()), None)


def _videos(
    name: str, file: Path, labels: LabelTable, crops: Path, issues: DataIssues
) -> list[LabelledVideo]:
    """Return one video's labelled crops: its main face's, or each track's if tracks have folders of their own."""
    tracks = _tracks(crops / name)
    faces = _faces(file, main=not tracks)
    rows = labels.face_rows(faces)
    if not tracks:
        pictures = _pictures(crops, name, issues)
        return [] if pictures is None else [_video(name, pictures, faces.number, rows, labels, issues)]
    if labels.track is None:
        several = (rows >= 0) & ~faces.alone()
        issues.note("several_faces", name, "", len(np.unique(faces.number[several])))
        rows = np.where(several, -1, rows)
    out: list[LabelledVideo] = []
    for track, folder in tracks.items():
        mine, own_name = faces.track == track, f"{name}/{track}"
        pictures = numbered_pictures(folder, issues, own_name)
        # The video is taken as the person, so that folds do not separate the faces of one video.
        out.append(_video(own_name, pictures, faces.number[mine], rows[mine], labels, issues, name))
    return out


def _video(
    name: str,
    pictures: NumberedPictures,
    number: I64,
    rows: I64,
    labels: LabelTable,
    issues: DataIssues,
    person: str = "",
) -> LabelledVideo:
    known = rows >= 0
    frame = number[known].astype(np.int32)
    return match_pictures(pictures, frame, labels.labels[rows[known]], name, issues, person)


def _faces(file: Path, *, main: bool) -> FrameFaces:
    try:
        with open_results(file) as results:
            return FrameFaces.of(results, main=main)
    except ResultsError as error:
        raise DataError(str(error)) from error


def _tracks(folder: Path) -> dict[int, Path]:
    """Return track → folder of its crops; empty if a video's crops lie in one folder."""
    if not folder.is_dir():
        return {}
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdigit())
    return {int(path.name): path for path in inner}


def _pictures(crops: Path, name: str, issues: DataIssues) -> NumberedPictures | None:
    """Return the crops of a video's main face, or that of a still; None if there are none."""
    if (crops / name).is_dir():
        return numbered_pictures(crops / name, issues, name)
    still = crops / still_crop_name(name)
    if still.is_file():
        return NumberedPictures(np.ones(1, np.int32), as_paths([os.fsencode(still.absolute())]))
    issues.note("videos_without_pictures", name)
    return None
