"""A rendered data set on disk, laid out like Aff-Wild2, with all labels of each picture beside it."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from autrt.errors import UsageError
from autrt.machine import available_cores
from autrt.storage.atomic_folder import new_folder
from autrt_train.synth.dataset.draw_job import DrawJob, open_rig, run_job, start_worker
from autrt_train.synth.dataset.labels import Labels, write_labels
from autrt_train.synth.dataset.process_pool import map_in_processes
from autrt_train.synth.dataset.settings import COMPOSITIONS, CROP_MARGIN_PX, SynthSettings
from autrt_train.synth.dataset.stills import SIZE_PX
from autrt_train.synth.person.expression import EXPRESSIONS, SYNTH_AUS
from autrt_train.synth.rig.rig import Rig

SCHEMA: Final = "autrt-synth/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSet:
    """Summary of a rendered data set."""

    folder: Path
    pictures: int
    videos: int
    duration_s: float


def write_dataset(
    out: Path,
    rig: str | Path,
    settings: SynthSettings,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
) -> RenderedSet:
    """Render people and videos and write them with their labels; the folder appears complete or not at all.

    The same settings and rig give the same set, for any number of processes.

    Args:
        out: the new folder.
        rig: an ICT-FaceKit clone or pack, or `stand-in`.
        settings: of the data set.
        workers: processes; by default one a core.
        overwrite: replace an earlier set in `out`.
        progress: show a progress bar; None: on a terminal only.

    Raises:
        DataError: no such rig, or a damaged one.
        UsageError: `out` exists and `overwrite` is off, or it is not a rendered set.
    """
    _check_target(out, overwrite)
    described = _describe(open_rig(rig), rig, settings)
    start_s = time.monotonic()
    jobs: list[DrawJob] = [("video", k) for k in range(settings.videos)]
    jobs += [("person", k) for k in range(settings.people)]
    with new_folder(out, overwrite=overwrite) as folder:
        labels = _draw_all(folder, rig, settings, jobs, workers or available_cores(), progress)
        if settings.people:
            write_labels(folder, labels)
        (folder / "synth.json").write_text(json.dumps(described, indent=1) + "\n")
    pictures = settings.people * settings.per_person * COMPOSITIONS
    return RenderedSet(
        folder=out, pictures=pictures, videos=settings.videos, duration_s=time.monotonic() - start_s
    )


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not overwrite:
        raise UsageError(f"{out} exists: choose another name, or replace it with --overwrite")
    if not (out.is_dir() and ((out / "synth.json").is_file() or not any(out.iterdir()))):
        raise UsageError(
            f"{out} is no rendered data set (it has no synth.json), so --overwrite leaves it alone"
        )


def _describe(rig: Rig, name: str | Path, settings: SynthSettings) -> dict[str, Any]:
    digest = hashlib.sha256()
    for array in (rig.neutral, rig.triangles, rig.expression_deltas, rig.identity_deltas):
        digest.update(np.ascontiguousarray(array).data)
    return {
        "schema": SCHEMA,
        "seed": settings.seed,
        "settings": settings.described(),
        "au_names": list(SYNTH_AUS),
        "expression_names": list(EXPRESSIONS),
        "size_px": SIZE_PX,
        "margin_px": CROP_MARGIN_PX,
        "template": "arcface-112",
        "rig": {"name": Path(name).name, "sha256": digest.hexdigest()},
    }


def _draw_all(
    folder: Path,
    rig: str | Path,
    settings: SynthSettings,
    jobs: list[DrawJob],
    workers: int,
    progress: bool | None,
) -> list[Labels]:
    """Run all jobs; return each person's labels, in order."""
    labels: dict[int, Labels] = {}
    frames = round(settings.videos * settings.video_s * settings.rate)
    total = settings.people * settings.per_person * COMPOSITIONS + frames
    bar = tqdm(
        total=total, unit=" pictures", dynamic_ncols=True, disable=None if progress is None else not progress
    )
    with (
        bar,
        closing(map_in_processes(run_job, jobs, workers, start_worker, rig, settings, folder)) as results,
    ):
        for (kind, number), made in results:
            if kind == "person":
                labels[number] = made
                bar.update(settings.per_person * COMPOSITIONS)
            else:
                bar.update(frames // settings.videos)
    return [labels[number] for number in range(settings.people)]
