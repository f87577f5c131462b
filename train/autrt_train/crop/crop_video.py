"""Aligned crops of one video whose faces are known from results.

`OUT/cropped_aligned/<video>/00001.jpg` (or `<video>/<track>/00001.jpg`) are the crops, `OUT/index.csv` is their
manifest, `OUT/crop.json` holds their settings, and `OUT/rows` the manifest's rows by video: a video with such
a file is finished. The crop of a still has the still's name.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2

from autrt.errors import ResultsError, VideoError
from autrt.results.names import results_path
from autrt.results.reader import Results, open_results
from autrt.settings import MAX_PIXELS
from autrt.storage.atomic_file import replacing
from autrt.storage.atomic_folder import new_folder
from autrt.storage.disk import writing
from autrt.storage.escape import escape
from autrt.types import F32, U8, Bool, Source
from autrt.video.open import open_decoder
from autrt_train.annotations.pictures import CROPS, still_crop_name
from autrt_train.crop.faces import FacesToCrop, crop_faces
from autrt_train.crop.index import CropRow, CropSettings, VideoRows

Choose = Callable[[Source, Results], Bool]
"""Function of a video and its results that returns (F,) bool: True for each face to crop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropOutcome:
    """Outcome for one video."""

    relative: str
    status: str
    """ok, partial, failed, stopped, or skipped (finished in an earlier run)."""
    crops: int = 0
    tracks: int = 0
    seconds: float = 0.0
    reason: str = ""


def crop_video(
    source: Source,
    results: Path,
    out: Path,
    settings: CropSettings,
    stop: threading.Event,
    advance: Callable[[int], object],
    choose: Choose | None = None,
) -> CropOutcome:
    """Crop the faces of one video, unless an earlier run has done it.

    Args:
        source: the video.
        results: folder with its results.
        out: folder of crops and rows.
        settings: of the crops.
        stop: set to end early.
        advance: called with the number of newly finished frames.
        choose: selects faces; None: all.

    Returns:
        The outcome; "failed" if video or results cannot be read, or the results are of another video.

    Raises:
        StoppedError: `stop` was set.
        DiskFullError: the disk is full.
        ResultsError: `out` cannot be written.
    """
    start_s = time.monotonic()
    rows = VideoRows(out, source.relative)
    try:
        wanted, digest, pixels = _faces_to_crop(source, results, settings, choose)
        if rows.is_current(digest):
            return CropOutcome(relative=source.relative, status="skipped")
        with closing(open_decoder(source, max_pixels=max(pixels, MAX_PIXELS))) as decoder:
            written = _write(
                source, crop_faces(decoder, wanted, settings, stop, advance), wanted, out, settings
            )
    except (VideoError, ResultsError) as error:
        return CropOutcome(relative=source.relative, status="failed", reason=str(error))
    rows.write(written, digest)
    lacking = len(wanted.index) - len(written)
    return CropOutcome(
        relative=source.relative,
        status="partial" if lacking else "ok",
        crops=len(written),
        tracks=len({row.track for row in written}),
        seconds=time.monotonic() - start_s,
        reason=f"{lacking} faces are in frames that could not be decoded again" if lacking else "",
    )


def _faces_to_crop(
    source: Source, results: Path, settings: CropSettings, choose: Choose | None
) -> tuple[FacesToCrop, str, int]:
    """Return the faces to crop, their digest, and the pixels of a frame, which was let through once."""
    with open_results(results_path(results, source.relative)) as file:
        facts = file.header.source
        if not facts.describes(source.path):
            raise VideoError(
                f"{escape(str(file.path))} holds the results of another video: recognise it anew"
            )
        among = None if choose is None else choose(source, file)
        video = file.header.video
        wanted = FacesToCrop.of(file, settings, among)
        digest = settings.digest(file.run_digest, facts.sha256, among)
        return wanted, digest, video.width_px * video.height_px


def _write(
    source: Source,
    crops: Iterator[tuple[int, U8, F32]],
    wanted: FacesToCrop,
    out: Path,
    settings: CropSettings,
) -> list[CropRow]:
    """Write a video's crops, all or none, and return their rows."""
    single = source.kind == "still" and not settings.all_faces
    relative = f"{CROPS}/{still_crop_name(source.relative) if single else source.relative}"
    target = out / relative
    with writing(target):
        if not len(wanted.index):
            _remove(target)
            return []
        target.parent.mkdir(parents=True, exist_ok=True)
        rows: list[CropRow] = []
        with replacing(target) if single else new_folder(target, overwrite=True) as fresh:
            for row, pixels, landmarks in crops:
                name = "" if single else _name(wanted, row, settings)
                file = fresh / name if name else fresh
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(_jpeg(pixels, settings.jpeg_quality))
                rows.append(wanted.row(row, f"{relative}/{name}" if name else relative, source, landmarks))
        return rows


def _name(wanted: FacesToCrop, row: int, settings: CropSettings) -> str:
    picture = f"{wanted.index[row] + 1:05d}.jpg"
    return f"{wanted.track[row]}/{picture}" if settings.all_faces else picture


def _jpeg(pixels: U8, quality: int) -> bytes:
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
