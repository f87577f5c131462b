"""A job: the model, settings and output folder that all videos of a run share, and the outcome of one of them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from autrt.console.progress import VideoProgress
from autrt.model.folder import Model
from autrt.plugins import ARCHITECTURES, COLUMNS, DECODERS, ENGINES, plugin_settings
from autrt.results.outputs import output_columns
from autrt.run.finished_file import FinishedFile
from autrt.run.manifest_event import Status
from autrt.settings import InferSettings
from autrt.types import FOLDERS, Source

SWITCH_S = 1e-4
"""Longest time that a thread keeps Python's lock from another: stages do little between calls that release it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The model, settings and output folder of a run. Plain data, which is sent to worker processes."""

    out: Path
    model: Model
    settings: InferSettings
    detector_digest: str
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Package → version, for the header of each results file."""
    command: str
    """The command line, or the call of `autrt.infer`, as it is stored in each results file."""
    threads: int
    """Cores that this process may use."""

    @property
    def numbers(self) -> dict[str, Any]:
        """The settings that change results; those of single videos are in `decoder_settings`."""
        columns = output_columns(self.model)
        extra = {"outputs": [column.name for column in columns]} if columns else {}
        return {
            **self.settings.numbers(),
            "detector": self.detector_digest,
            **extra,
            **plugin_settings(ENGINES, [self.settings.engine]),
            **plugin_settings(ARCHITECTURES, [m.architecture.get("name", "") for m in self.model.members]),
            **plugin_settings(COLUMNS, [column.output for column in columns]),
        }


def decoder_settings(source: Source) -> dict[str, str]:
    """Return the settings of one video that change results: the version of another package's decoder."""
    if source.kind in FOLDERS:
        return {}
    return plugin_settings(DECODERS, [source.path.suffix.lower().removeprefix(".")])


OnProgress = Callable[[VideoProgress], object]
"""Takes the progress of one video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one video."""

    relative: str
    status: Status
    reason: str = ""
    frames: int = 0
    faces: int = 0
    tracks: int = 0
    lost: int = 0
    """Packets that could not be decoded."""
    seconds: float = 0.0
    """Processing time."""
    video_s: float = 0.0
    """Duration of its frames."""
    tracks_without_baseline: int = 0
    """Tracks too short for a baseline; 0 where none was asked for."""
    run_digest: str = ""
    finished: FinishedFile | None = None
    """Facts by which its results are recognised later."""


def configure_process() -> None:
    """Prepare a process for many threads; call it once, when its libraries are loaded and its networks open."""
    cv2.setNumThreads(1)  # the pipeline has its own threads
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # the libraries' objects live as long as the process: no collection need visit them
