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
from autrt.settings import MAX_PIXELS, InferSettings, Quality
from autrt.video.crops import require_template

LEAST_SPLIT_S: Final = 10
"""Shortest section of a long video, each of which is begun some seconds early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferOptions:
    """The options of `autrt infer` and `autrt.infer`; `autrt.infer` explains each.

    Raises:
        UsageError: a value is of a wrong type, or out of range.
    """

    inputs: tuple[Path, ...]
    out: Path
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
    aligned: bool = False
    template: str | None = None
    workers: int | None = None
    split_s: float | None = None
    overwrite: bool = False
    trust_fingerprint: bool = False
    offline: bool = False

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        without_effect = ("detect_every", "max_faces") if self.aligned else ("template",)
        for name in without_effect:
            if getattr(self, name) is not None:
                raise UsageError(
                    f"{name}: expected nothing {'with' if self.aligned else 'without'} aligned, found "
                    f"{getattr(self, name)!r}: leave it out"
                )

    @property
    def model_name(self) -> str:
        """The model that is named, or the default of the quality."""
        return self.model or (MAX_QUALITY_MODEL if self.quality == "max" else DEFAULT_MODEL)


def resolve(options: InferOptions, before: RunJson | None = None) -> tuple[Job, list[str]]:
    """Resolve `auto` and defaults: load the model, and choose engine, precision and devices.

    Args:
        options: as the user gave them.
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
    devices = devices_of(device)
    model = load_model(options.model_name)
    if options.baseline_percentile is not None and model.temporal is not None:
        raise UsageError(
            f"baseline: expected none, as the temporal network of {model.name!r} has learnt from logits as they "
            f"are, found p{options.baseline_percentile:g}"
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
        split_s=options.split_s,
        aligned=require_template(options.template, model.template, model.name) if options.aligned else None,
    )
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
