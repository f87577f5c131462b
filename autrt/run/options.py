"""The options of a run as a user gives them, and the job that they resolve to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from autrt.engine.devices import devices_of
from autrt.engine.open import engine_names, resolve_engine, resolve_precision
from autrt.errors import UsageError
from autrt.machine import available_cores
from autrt.model.folder import DEFAULT_MODEL, MAX_QUALITY_MODEL, load_model
from autrt.pipeline.open_networks import NO_DETECTOR, detection_digest
from autrt.results.outputs import features_column
from autrt.run.job import Job
from autrt.run.option_checks import CHECKS, found_text
from autrt.run.run_json import RunJson
from autrt.run.shard import Shard
from autrt.run.versions import computing_versions
from autrt.settings import MAX_PIXELS, InferSettings, Quality, StillFiles
from autrt.storage.remote_url import Location
from autrt.video.crops import require_template

LEAST_SPLIT_S: Final = 10
"""Shortest section of a long video, each of which is begun some seconds early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferOptions:
    """The options of `autrt infer` and `autrt.infer`; `autrt.infer` explains each.

    Raises:
        UsageError: a value is of a wrong type, or out of range.
    """

    inputs: tuple[Location, ...]
    out: Location
    command: str
    """The command line, or the call of `autrt.infer`, to be stored in each results file."""
    model: str | None = None
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    quality: Quality = "balanced"
    detect_every: int | None = None
    max_faces: int | None = None
    image_rate: Fraction = Fraction(30)
    max_pixels: int = MAX_PIXELS
    shard: Shard | None = None
    plan: Path | None = None
    """A file that `autrt plan` wrote, in place of inputs; it says which video is in which shard."""
    keep_members: bool = False
    features: bool = False
    baseline_percentile: float | None = None
    quality_weighted: bool = False
    aligned: bool = False
    template: str | None = None
    stills: StillFiles = "each"
    """What has a results file of its own: each picture, or each folder of pictures."""
    workers: int | None = None
    """Videos in flight at once; on a cluster, on each node."""
    ray: str | None = None
    """Address of a Ray cluster that does the videos, or auto; None: this machine does."""
    split_s: float | None = None
    overwrite: bool = False
    trust_fingerprint: bool = False
    offline: bool = False
    cache_size: int | None = None
    """Most bytes of videos that are copied from object storage ahead of their turn."""

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.ray is not None and self.split_s is not None:
            raise UsageError(
                "split: expected nothing with ray, whose nodes do whole videos: leave one of them out"
            )
        if self.stills == "folder":
            self._require_folders()
        without_effect = ("detect_every", "max_faces") if self.aligned else ("template",)
        for name in without_effect:
            if getattr(self, name) is not None:
                raise UsageError(
                    f"{name}: expected nothing {'with' if self.aligned else 'without'} aligned, found "
                    f"{getattr(self, name)!r}: leave it out"
                )

    def _require_folders(self) -> None:
        remote = [path for path in self.inputs if not isinstance(path, Path)]
        if self.aligned or remote:
            found = "aligned" if self.aligned else str(remote[0])
            raise UsageError(
                f'stills: expected "each" for aligned crops and for pictures in object storage, found "folder" and '
                f"{found}: leave it out"
            )

    @property
    def model_name(self) -> str:
        """The model that is named, or the default of the quality."""
        return self.model or (MAX_QUALITY_MODEL if self.quality == "max" else DEFAULT_MODEL)


def resolve(options: InferOptions, before: RunJson | None = None) -> tuple[Job, list[str]]:
    """Resolve `auto` and defaults: load the model, and choose engine, precision and devices.

    Args:
        options: as the user gave them, `out` on this machine.
        before: settings of the folder's last run, whose engine `auto` takes again unless `overwrite` is set.

    Returns:
        The job, with the first device in its settings, and all devices.

    Raises:
        UsageError: there is no such model, engine, precision or device here.
    """
    if options.engine not in ("auto", *engine_names()):
        raise UsageError(f"no engine is called {options.engine!r}; known: auto, {', '.join(engine_names())}")
    engine_before = before.settings.get("engine") if before and not options.overwrite else None
    engine, device = resolve_engine(options.engine, options.device, engine_before)
    devices = devices_of(device) if options.ray is None else _devices_of_nodes(device)
    model = load_model(options.model_name)
    if options.baseline_percentile is not None and model.temporal is not None:
        raise UsageError(
            f"baseline: expected none, as the temporal network of {model.name!r} has learnt from logits as they "
            f"are, found p{options.baseline_percentile:g}"
        )
    if options.quality_weighted and model.temporal is not None:
        raise UsageError(
            f"quality_weighted: expected a model that is smoothed by windows, found {model.name!r}, whose temporal "
            "network takes their place: leave it out"
        )
    if options.features:
        features_column(model)
    settings = InferSettings(
        quality=options.quality,
        engine=engine,
        precision=resolve_precision(options.precision, engine, fast=options.quality == "fast"),
        device=devices[0],
        detect_every=options.detect_every,
        max_faces=options.max_faces,
        image_rate=options.image_rate,
        max_pixels=options.max_pixels,
        keep_members=options.keep_members,
        features=options.features,
        baseline_percentile=options.baseline_percentile,
        quality_weighted=options.quality_weighted,
        split_s=options.split_s,
        aligned=require_template(options.template, model.template, model.name) if options.aligned else None,
    )
    assert isinstance(options.out, Path)
    job = Job(
        out=options.out,
        model=model,
        settings=settings,
        detector_digest=NO_DETECTOR if options.aligned else detection_digest(),
        versions=computing_versions(),
        command=options.command,
        threads=available_cores(),
    )
    return job, devices


def _devices_of_nodes(device: str) -> list[str]:
    """Return the device of each process on a cluster, where Ray says which GPU it is.

    Raises:
        UsageError: the text names one GPU of each node.
    """
    if device not in ("cpu", "cuda", "cuda:0"):
        raise UsageError(f"device {device!r}: expected auto, cpu or cuda (every GPU of each node) with --ray")
    return ["cpu" if device == "cpu" else "cuda:0"]


def parse_rate(value: Any) -> Fraction:
    """Return a positive rate as an exact fraction: 30, 29.97 or "30000/1001".

    Raises:
        UsageError: it is something else.
    """
    try:
        rate = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise UsageError(
            f"expected a positive rate such as 30, 29.97 or 30000/1001, found {found_text(value)}"
        )
    return rate


def parse_split(value: Any) -> float | None:
    """Return the length of sections in seconds, such as 900, "900", "90s", "15m" or "1.5h"; None for None.

    Raises:
        UsageError: it is something else, or shorter than 10 s.
    """
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if isinstance(value, bool) or seconds < LEAST_SPLIT_S:
        raise UsageError(
            f"expected a length of {LEAST_SPLIT_S} s or more such as 900, 90s, 15m or 1h, found {found_text(value)}"
        )
    return seconds


def parse_baseline(text: Any) -> float | None:
    """Return the percentile of a baseline such as "p20", or None for "none" and None.

    Raises:
        UsageError: it is neither.
    """
    if text is None or text == "none":
        return None
    try:
        percentile = float(text.removeprefix("p")) if isinstance(text, str) and text.startswith("p") else -1
    except ValueError:
        percentile = -1
    if not 0 <= percentile <= 100:
        raise UsageError(f"expected none, or pN with N from 0 to 100 such as p20, found {found_text(text)}")
    return percentile


_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_size(value: Any) -> int:
    """Return a size in bytes: a whole number of them, or text such as 500MB or 1.5GB.

    Raises:
        UsageError: it is something else, or none.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]?B?)", str(value).strip().upper())
    unit = match[2] if match else ""
    n_bytes = int(float(match[1]) * _UNITS[unit if unit in _UNITS else f"{unit}B"]) if match else 0
    if isinstance(value, bool) or n_bytes < 1:
        raise UsageError(f"expected a size such as 500MB or 20GB, found {found_text(value)}")
    return n_bytes
