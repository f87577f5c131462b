"""Cost of a folder of many results: space, opening, resuming, verifying."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autrt.errors import AutrtError
from autrt.machine import available_cores
from autrt.results.reader import open_results
from autrt.results.verification.verify_many import verify_many
from autrt.run.result_state import result_state
from autrt.run.results_index import ResultsIndex
from autrt_bench.inputs.made_up_archive import SETTINGS, Archive, make_archive
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

SIZE: Final = Metric(name="size of 2 s", unit="kB", better="lower", exact=True)
OPENING: Final = Metric(name="opening", unit="ms a file", better="lower")
RESUMING: Final = Metric(name="resuming", unit="ms a file", better="lower")
VERIFYING: Final = Metric(name="verifying", unit="files/s", better="higher")

FILES: Final = 1000
FILES_QUICK: Final = 200


def results(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure a thousand results files of two seconds and one face, with made-up rows."""
    n = FILES_QUICK if settings.quick else FILES
    with TemporaryDirectory(prefix="autrt-bench-") as folder:
        settings.log(f"writing {n} results files …")
        archive = make_archive(Path(folder), settings.model, n)
        yield Group(
            cases=[
                Case("a short clip's results", partial(_open, archive)),
                Case("resume by the index", partial(_resume, archive, ResultsIndex.read)),
                Case("resume without it", partial(_resume, archive, lambda _: ResultsIndex())),
            ]
        )
        jobs = sorted({1, available_cores()})
        cases = [Case(f"verify, {j} process{'es' * (j > 1)}", partial(_verify, archive, j)) for j in jobs]
        yield Group(cases=cases, warm_up=False)


def _open(archive: Archive) -> Values:
    start_s = time.perf_counter()
    for target in archive.targets:
        open_results(target).close()
    ms = _ms_each(start_s, archive)
    return {SIZE: archive.targets[0].stat().st_size / 1e3, OPENING: ms}


def _resume(archive: Archive, read_index: Callable[[Path], ResultsIndex]) -> Values:
    start_s = time.perf_counter()
    index = read_index(archive.out)
    for source, target in zip(archive.sources, archive.targets, strict=True):
        state = result_state(target, source, archive.model.digest, SETTINGS, index)
        if state != "finished":
            raise AutrtError(f"{target} is {state}: expected finished")
    return {RESUMING: _ms_each(start_s, archive)}


def _verify(archive: Archive, jobs: int) -> Values:
    start_s = time.perf_counter()
    for place, found in verify_many(archive.targets, jobs):
        if found.problems:
            raise AutrtError(f"{archive.targets[place]}: {found.problems[0]}")
    return {VERIFYING: len(archive.sources) / (time.perf_counter() - start_s)}


def _ms_each(start_s: float, archive: Archive) -> float:
    return 1e3 * (time.perf_counter() - start_s) / len(archive.sources)
