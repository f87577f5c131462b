"""One run of `autrt bench`: all suites that it names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from autrt.errors import AutrtError, UsageError
from autrt_bench.measure.interleaved import measure
from autrt_bench.reporting import table
from autrt_bench.suites import SUITES, find_suite
from autrt_bench.types import BenchRun, BenchSettings, Measurement, Skipped


def run_suites(names: Sequence[str], settings: BenchSettings, fingerprint: dict[str, Any]) -> BenchRun:
    """Run suites and log each group's measurements as soon as they are there.

    Cases that cannot be measured on this machine are skipped, with the reason.

    Args:
        names: keys of `SUITES`.
        settings: for all of them.
        fingerprint: from `reporting.fingerprint`, taken before measuring.

    Raises:
        UsageError: there is no such suite.
    """
    for name in names:
        if name not in SUITES:
            raise UsageError(f"no suite is called {name!r}; known: {', '.join(SUITES)}")
    started = datetime.now(UTC)
    measurements: list[Measurement] = []
    skipped: list[Skipped] = []
    for name in names:
        settings.log(f"\n{name}")
        _suite(name, settings, measurements, skipped)
    return BenchRun(
        name=f"{started:%Y%m%dT%H%M%SZ}-{fingerprint['commit'] or 'installed'}",
        started_utc=started.isoformat(timespec="seconds"),
        fingerprint=fingerprint,
        settings=_settings_json(names, settings),
        measurements=tuple(measurements),
        skipped=tuple(skipped),
    )


def _suite(
    name: str, settings: BenchSettings, measurements: list[Measurement], skipped: list[Skipped]
) -> None:
    try:
        for item in find_suite(name)(settings):
            if isinstance(item, Skipped):
                skipped.append(item)
                settings.log(f"skipped: {item.what}: {item.why}")
                continue
            found = measure(name, item, settings.repeats)
            measurements += found
            for line in table.lines(found):
                settings.log(line)
    except AutrtError as error:
        skipped.append(Skipped(name, str(error)))
        settings.log(f"skipped: the rest of {name}: {error}")


def _settings_json(names: Sequence[str], settings: BenchSettings) -> dict[str, Any]:
    """Return the settings that decide which numbers these are, as JSON values."""
    return {
        "suites": list(names),
        "model": settings.model.name,
        "model_digest": settings.model.digest,
        "clips": [clip.name for clip in settings.clips],
        "repeats": settings.repeats,
        "quick": settings.quick,
    }
