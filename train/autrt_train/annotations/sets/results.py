"""Crops of videos that `autrt infer` has results of, with a label file for each video.

The results say which faces are in which frame, and when that frame was shown; so labels may be given per frame or
per moment.
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
from autrt_train.annotations.assemble import LabelledVideo, assemble, labelled_pictures
from autrt_train.annotations.crop_facts import crop_facts
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.pictures import (
    CROPS,
    Numbered,
    as_paths,
    existing_root,
    numbered_pictures,
    still_name,
    without_suffix,
)
from autrt_train.annotations.sets.row_labels import FrameFaces, RowLabels, au_columns
from autrt_train.annotations.table_file import Table, read_table
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
) -> tuple[Index, Findings]:
    """Read results with labels.

    A label file is a table with AU columns; further columns say what its rows are: `frame` (from 1), or `time_s` (a
    row holds from its time on, until the next row's), or neither: row k is frame k, as Aff-Wild2 has it. With a
    column `track` a row is of that face; without, of the main face of its frame, or where every track was cut out
    (`autrt crop --all-faces`), of the only face.

    Args:
        root: results folder of `autrt infer` (`results` in what `autrt crop` wrote).
        split: results have none.
        labels: folder of the label files, `talks/anna.csv` or `talks/anna.mp4.csv` for `talks/anna.mp4.h5`; by
            default `labels`; relative to the folder that `root` is in.
        crops: what `autrt crop` wrote; by default the folder that `root` is in; relative to it.
        threshold: the intensity from which an AU is active; None: AU columns hold 0, 1, −1 or nothing.
        margin_px: see `crop_facts`.
        template: see `crop_facts`.

    Raises:
        DataError: results, labels or crops are missing or wrong; names file and line.
    """
    if split is not None:
        raise DataError("results come without a split: leave `split` out, or use folders of their own")
    existing_root(root, "results (`autrt infer`)")
    cut = existing_root(beside(root, crops or ""), "crops (`autrt crop`)")
    place = existing_root(beside(root, labels or "labels"), "label files")
    findings, found = Findings(), list[tuple[str, Table, Path]]()
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
        for video in _videos(name, file, RowLabels.of(table, names, threshold), cut / CROPS, findings)
    ]
    return assemble(videos, names, crop_facts(cut, margin_px, template)), findings


def beside(root: Path, name: Path | str) -> Path:
    """A path that is relative to the folder above `root`."""
    return Path(os.path.normpath(root.absolute().parent / name))


def label_file(place: Path, name: str) -> Path | None:
    """The label file of a video, below the folder of label files; None where it has none."""
    video = PurePosixPath(name)
    stems = dict.fromkeys((video.name, without_suffix(video.name), video.stem))
    files = [place / video.parent / (stem + suffix) for stem in stems for suffix in LABEL_SUFFIXES]
    return next((file for file in files if file.is_file()), None)


def _videos(name: str, file: Path, labels: RowLabels, crops: Path, findings: Findings) -> list[LabelledVideo]:
    """One video's labelled crops: its main face's, or each track's where its tracks have folders of their own."""
    tracks = _tracks(crops / name)
    faces = _faces(file, main=not tracks)
    rows = labels.rows(faces)
    if not tracks:
        pictures = _pictures(crops, name, findings)
        return [] if pictures is None else [_video(name, pictures, faces.number, rows, labels, findings)]
    if labels.track is None:
        several = (rows >= 0) & ~faces.alone()
        findings.note("several_faces", name, "", len(np.unique(faces.number[several])))
        rows = np.where(several, -1, rows)
    out: list[LabelledVideo] = []
    for track, folder in tracks.items():
        mine, own_name = faces.track == track, f"{name}/{track}"
        pictures = numbered_pictures(folder, findings, own_name)
        # The video stands for the person, so that no fold parts the faces of one video.
        out.append(_video(own_name, pictures, faces.number[mine], rows[mine], labels, findings, name))
    return out


def _video(
    name: str,
    pictures: Numbered,
    number: I64,
    rows: I64,
    labels: RowLabels,
    findings: Findings,
    person: str = "",
) -> LabelledVideo:
    known = rows >= 0
    frame = number[known].astype(np.int32)
    return labelled_pictures(pictures, frame, labels.labels[rows[known]], name, findings, person)


def _faces(file: Path, *, main: bool) -> FrameFaces:
    try:
        with open_results(file) as results:
            return FrameFaces.of(results, main=main)
    except ResultsError as error:
        raise DataError(str(error)) from error


def _tracks(folder: Path) -> dict[int, Path]:
    """Track → folder of its crops; empty where a video's crops lie in one folder."""
    if not folder.is_dir():
        return {}
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdigit())
    return {int(path.name): path for path in inner}


def _pictures(crops: Path, name: str, findings: Findings) -> Numbered | None:
    """The crops of a video's main face, or the one of a still; None where there is none."""
    if (crops / name).is_dir():
        return numbered_pictures(crops / name, findings, name)
    still = crops / still_name(name)
    if still.is_file():
        return Numbered(np.ones(1, np.int32), as_paths([os.fsencode(still.absolute())]))
    findings.note("videos_without_pictures", name)
    return None
