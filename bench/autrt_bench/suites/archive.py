"""Cost of a large archive's upkeep: status, the index for resuming, the data set, new decisions."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autrt_bench.inputs.made_up_archive import make_archive
from autrt_bench.inputs.made_up_manifest import link_results, make_manifest
from autrt_bench.measure.command import CommandCost, autrt, run_command
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

TIME: Final = Metric(name="time", unit="s", better="lower")
CPU: Final = Metric(name="processor time", unit="s", better="lower")
PEAK: Final = Metric(name="peak memory", unit="MB", better="lower")
SPEED: Final = Metric(name="speed", unit="files/min", better="higher")

ENTRIES: Final = 100_000
FILES: Final = 20_000
DISTINCT: Final = 200
"""Results files that are written; all further ones are links to them."""

SHARE_QUICK: Final = 50
"""By how much the quick form is smaller."""

_INDEX: Final = (
    "from pathlib import Path; from autrt.run.results_index import ResultsIndex; ResultsIndex.read(Path({}))"
)


def archive(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure commands over 100,000 manifest entries and 20,000 results of two seconds, all made up."""
    share = SHARE_QUICK if settings.quick else 1
    entries, files = ENTRIES // share, FILES // share
    with TemporaryDirectory(prefix="autrt-bench-") as scratch:
        folder = Path(scratch)
        settings.log(f"writing {entries} manifest entries and {files} results files …")
        make_manifest(folder / "manifest", entries)
        (folder / "made").mkdir()
        made = make_archive(folder / "made", settings.model, min(DISTINCT, files))
        link_results(made, folder / "results", files)
        index = [sys.executable, "-c", _INDEX.format(repr(str(folder / "manifest")))]
        yield Group(
            cases=[
                Case(f"status of {entries} videos", partial(_cost, ["status", folder / "manifest"])),
                Case(f"index of {entries} videos", lambda: _values(run_command(index))),
            ],
            warm_up=False,
        )
        new = count()
        yield Group(
            cases=[
                Case(f"data set of {files} results", lambda: _new_dataset(folder, next(new), files)),
                Case(f"data set of {files} results, one process", lambda: _alone(folder, next(new), files)),
                Case(f"the same again, {files} unchanged", lambda: _unchanged(folder)),
                Case(f"recompute {files} results", lambda: _recompute(folder, next(new), files)),
            ],
            warm_up=False,
            max_repeats=1,
        )


def _cost(arguments: Sequence[str | Path]) -> Values:
    return _values(autrt(*arguments))


def _values(cost: CommandCost) -> Values:
    return {TIME: cost.wall_s, CPU: cost.cpu_s, PEAK: cost.peak_bytes / 1e6}


def _new_dataset(folder: Path, number: int, files: int) -> Values:
    start_s = time.perf_counter()
    autrt("dataset", folder / "results", "--out", folder / f"set-{number}")
    return {SPEED: 60 * files / (time.perf_counter() - start_s)}


def _alone(folder: Path, number: int, files: int) -> Values:
    program = [sys.executable, "-m", "autrt_bench.measure.write_dataset"]
    cost = run_command([*program, str(folder / "results"), str(folder / f"set-{number}")])
    return {SPEED: 60 * files / cost.wall_s, PEAK: cost.peak_bytes / 1e6}


def _unchanged(folder: Path) -> Values:
    return _cost(["dataset", folder / "results", "--out", folder / "set-0"])


def _recompute(folder: Path, number: int, files: int) -> Values:
    start_s = time.perf_counter()
    autrt("recompute", folder / "results", "--baseline", "p20", "--out", folder / f"new-{number}")
    return {SPEED: 60 * files / (time.perf_counter() - start_s)}
