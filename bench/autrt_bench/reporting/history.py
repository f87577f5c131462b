"""History of measurements: one file of JSON lines per machine, one line per run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import platformdirs

from autrt.errors import UsageError
from autrt.storage.disk import make_folder, writing
from autrt_bench.reporting.fingerprint import checkout
from autrt_bench.types import BenchRun, Measurement, Metric, Skipped

SCHEMA: Final = "autrt-bench/1"


def history_folder() -> Path:
    """Return the folder of histories: `bench/history` in a checkout, otherwise in the user's data folder."""
    root = checkout()
    return root / "bench/history" if root else Path(platformdirs.user_data_dir("autrt")) / "bench"


def append(file: Path, run: BenchRun) -> None:
    """Append a run to a history. An earlier line that was cut short is not touched.

    Raises:
        DiskFullError, ResultsError: it cannot be written.
    """
    with writing(file):
        make_folder(file.parent)
        line = json.dumps({"schema": SCHEMA, **_plain(run)}, ensure_ascii=False) + "\n"
        with file.open("ab+") as stream:
            if stream.tell() and not _ends_with_newline(file):
                line = "\n" + line
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())


def read(file: Path) -> list[BenchRun]:
    """Read all runs of a history, oldest first; incomplete lines and those of other schemas are left out.

    Raises:
        UsageError: there is no such file, or no run in it.
    """
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: expected a history of `autrt bench`: {error}") from error
    runs = [run for line in lines if (run := _run(line)) is not None]
    if not runs:
        raise UsageError(f"{file}: expected a history of `autrt bench`, found no line of schema {SCHEMA}")
    return runs


def find_run(which: str, history: Path) -> BenchRun:
    """Find the run that the user names.

    Args:
        which: a history file (its last run); otherwise the beginning of a run's name, or of a commit: all of its
            runs with the last one's settings, their repeats together. A commit with a + at its end is one that
            the files differed from.
        history: the file in which commits and names are looked up.

    Raises:
        UsageError: no run matches, or runs of several commits match.
    """
    if Path(which).is_file():
        return read(Path(which))[-1]
    runs = read(history)
    found = [run for run in runs if which and _is_called(run, which)]
    if not which.endswith("+"):
        found = [run for run in found if not run.commit.endswith("+")] or found
    if not found:
        known = ", ".join(run.name for run in runs[-8:])
        raise UsageError(
            f"expected a history file, a commit or a run's name, found {which!r}; {history} ends with: {known}"
        )
    if len({run.commit for run in found}) > 1:
        raise UsageError(f"{which!r} begins several: {', '.join(run.name for run in found)}")
    return merged([run for run in found if run.is_like(found[-1])])


def _is_called(run: BenchRun, which: str) -> bool:
    """Return True if `which` begins its name or commit, or is a longer form of its commit."""
    longer = bool(run.commit) and which.startswith(run.commit) and "+" not in which
    return longer or run.commit.startswith(which) or run.name.startswith(which)


def merged(runs: Sequence[BenchRun]) -> BenchRun:
    """Merge runs of one commit: the repeats of each measurement are concatenated."""
    together: dict[tuple[str, str, str], Measurement] = {}
    for measurement in (m for run in runs for m in run.measurements):
        before = together.get(measurement.key)
        values = (*(before.values if before else ()), *measurement.values)
        together[measurement.key] = replace(measurement, values=values)
    return replace(runs[-1], measurements=tuple(together.values()))


def _plain(run: BenchRun) -> dict[str, Any]:
    facts = {name: getattr(run, name) for name in ("name", "started_utc", "fingerprint", "settings")}
    measurements = [
        {"suite": m.suite, "case": m.case, "metric": asdict(m.metric), "values": _short(m.values)}
        for m in run.measurements
    ]
    return {**facts, "measurements": measurements, "skipped": [asdict(s) for s in run.skipped]}


def _short(values: Sequence[float]) -> list[float]:
    """Round to six significant digits: more would be noise, in files that are kept for years."""
    return [float(f"{value:.6g}") for value in values]


def _run(line: str) -> BenchRun | None:
    try:
        found: dict[str, Any] = json.loads(line)
        if found.pop("schema") != SCHEMA:
            return None
        measurements = [
            Measurement(
                suite=m["suite"], case=m["case"], metric=Metric(**m["metric"]), values=tuple(m["values"])
            )
            for m in found.pop("measurements")
        ]
        skipped = [Skipped(**s) for s in found.pop("skipped")]
        return BenchRun(**found, measurements=tuple(measurements), skipped=tuple(skipped))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
