"""Accuracy of presets and settings, against a detection in every frame in f32 with the same model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from autrt.download.fetch import fetch
from autrt.errors import AutrtError
from autrt_bench.measure.agreement import compare
from autrt_bench.measure.infer_command import infer_into
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

DEMOS: Final = ("clip-laugh", "clip-smile", "clip-talk")

VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "max": ("--quality", "max"),
    "balanced": ("--quality", "balanced"),
    "fast": ("--quality", "fast"),
    "balanced, bf16": ("--quality", "balanced", "--precision", "bf16"),
    "balanced, int8": ("--quality", "balanced", "--precision", "int8"),
}
"""Name → options of `autrt infer`."""

CHANGED: Final = Metric(name="changed decisions", unit="%", better="lower", exact=True)
LOWEST: Final = Metric(name="lowest correlation", unit="", better="higher", exact=True)
SHIFT: Final = Metric(name="landmark error", unit="eye distances", better="lower", exact=True)
SHIFT_P99: Final = Metric(name="landmark error p99", unit="eye distances", better="lower", exact=True)
MISSED: Final = Metric(name="faces missed", unit="", better="lower", exact=True)
ADDED: Final = Metric(name="faces added", unit="", better="lower", exact=True)


def quality(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure one case per preset, over all clips together."""
    clips = settings.clips or tuple(fetch(name, report=settings.log) for name in DEMOS)
    cases: list[Case] = []
    with TemporaryDirectory(prefix="autrt-bench-") as scratch:
        for name in list(VARIANTS)[:3] if settings.quick else VARIANTS:
            out, preset = Path(scratch) / name, VARIANTS[name][:2]
            reference = Path(scratch) / f"every frame, {'max' if 'max' in preset else 'default'} model"
            try:
                infer_into(out, clips, settings, *VARIANTS[name])
                if not reference.exists():
                    infer_into(
                        reference, clips, settings, *preset, "--detect-every", "1", "--precision", "f32"
                    )
            except AutrtError as error:
                yield Skipped(name, str(error))
                continue
            cases.append(Case(name, partial(_compared, reference, out)))
        yield Group(cases=cases, max_repeats=1, warm_up=False)


def _compared(reference: Path, out: Path) -> Values:
    found = compare(reference, out)
    correlation = found.correlation()
    values = {
        CHANGED: 100 * float(found.changed.mean()),
        LOWEST: float(np.nanmin(correlation)),
        SHIFT: float(found.shift.mean()),
        SHIFT_P99: float(np.percentile(found.shift, 99)),
        MISSED: found.only_a,
        ADDED: found.only_b,
    }
    for au, name in enumerate(found.au_names):
        values[Metric(name=f"{name} changed", unit="%", better="lower", exact=True)] = 100 * float(
            found.changed[:, au].mean()
        )
        values[Metric(name=f"{name} correlation", unit="", better="higher", exact=True)] = float(
            correlation[au]
        )
    return {metric: value for metric, value in values.items() if np.isfinite(value)}
