"""Faces of unlabelled videos: detected by the pipeline, cropped, and read as an index."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.console import Mode, SilentReporter, make_reporter
from autrt.machine import available_cores
from autrt.model.digest import json_digest
from autrt.run.job import Job
from autrt.run.options import InferOptions, resolve
from autrt.storage.cache import CacheFolder, cache_dir
from autrt.storage.escape import escape
from autrt.types import I64, Source
from autrt.video.discover import discover
from autrt_train.annotations.sets.manifest import read as read_manifest
from autrt_train.crop.find_faces import find_faces
from autrt_train.crop.index import CropSettings
from autrt_train.crop.run import CropRun, refuse_inside, refuse_nested
from autrt_train.recipe import DistillSettings
from autrt_train.stop_request import StopRequest
from autrt_train.types import DataError, Index

RESULTS = "results"


def video_faces(
    settings: DistillSettings,
    margin_px: int | None,
    progress: Mode,
    stop_request: StopRequest,
    log: Callable[[str], object],
) -> Index:
    """Return the faces of all tracks in the videos, ordered by video, track and frame, without labels.

    Faces that an earlier run detected and cropped are reused. Videos that fail are logged and left out.

    Args:
        settings: the videos, the frames to crop, and the folder of the crops.
        margin_px: margin around each crop; None: that of `autrt crop`.
        progress: how to show progress.
        stop_request: asked to stop by signals.
        log: called with lines of text for the user.

    Returns:
        Paths, videos, frames and the detector's landmarks; one folder for each track.

    Raises:
        UsageError: there is no video, or the folder of crops was made with other settings.
        DataError: no face was found in any video.
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: a failure that is not one video's own.
    """
    sources = discover(settings.videos)
    refuse_nested(sources)
    options = InferOptions(
        inputs=tuple(settings.videos),
        out=Path(),
        command="autrt distill",
        model=settings.finder,
        engine=settings.engine,
        device=settings.device,
        precision="f32",
    )
    job, _ = resolve(options)
    crop = CropSettings(template=job.model.template, every=settings.every, all_faces=True)
    if margin_px is not None:
        crop = CropSettings(
            template=job.model.template, margin_px=margin_px, every=settings.every, all_faces=True
        )
    folder = _folder(settings, job, crop)
    refuse_inside(folder, settings.videos)
    with CacheFolder(folder).lock(), closing(make_reporter(progress)) as reporter:
        found = find_faces(sources, replace(options, out=folder / RESULTS), reporter, stop_request, log)
        _cut(found, folder, crop, stop_request, log)
    faces = _read(folder, sources)
    if not len(faces):
        raise DataError(
            f"no face in {len(sources)} videos of {', '.join(escape(str(v)) for v in settings.videos)}: expected "
            "videos of people; see the lines above for those that failed"
        )
    return faces


def _folder(settings: DistillSettings, job: Job, crop: CropSettings) -> Path:
    """Return the folder of the crops: the user's choice, or a place in the cache named by all that decides them."""
    if settings.crops is not None:
        return Path(settings.crops).expanduser()
    inputs = [os.fsencode(video.absolute()).hex() for video in settings.videos]
    key = {"inputs": inputs, "model": job.model.digest, "numbers": job.numbers, "crops": crop.digest("", "")}
    return cache_dir() / "crops" / json_digest(key)[:16]


def _cut(
    sources: Sequence[Source],
    folder: Path,
    settings: CropSettings,
    stop_request: StopRequest,
    log: Callable[[str], object],
) -> None:
    log(f"cutting faces out of {len(sources)} videos, unless that was done before")
    run = CropRun(results=folder / RESULTS, out=folder, settings=settings, reporter=SilentReporter())
    run.run(sources, available_cores())
    if run.signal is not None:
        stop_request.ask(run.signal)
    stop_request.check()
    for cut in run.cuts:
        if cut.status == "failed":
            log(f"left out: {escape(cut.relative)}: {escape(cut.reason)}")


def _read(folder: Path, sources: Sequence[Source]) -> Index:
    """Read the crops of these videos; those of videos that are no longer named stay on disk."""
    index, _ = read_manifest(folder)
    named = {source.relative for source in sources}
    of = [number for number, name in enumerate(index.video_names) if name in named]
    index = index.take(np.isin(index.video, of))
    return index.take(_in_order(index))


def _in_order(index: Index) -> I64:
    folders = [os.path.dirname(path) for path in index.paths.tolist()]  # noqa: PTH120
    _, track = np.unique(np.array(folders, np.bytes_), return_inverse=True)
    return np.lexsort((index.frame, track.reshape(-1), index.video)).astype(np.int64)
