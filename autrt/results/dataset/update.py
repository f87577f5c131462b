"""A data set made, or brought up to date: only new and changed results are read."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from autrt.errors import ResultsError, UsageError
from autrt.results.dataset.plan import DatasetPlan, ResultsFile, plan_parts, remove_parts
from autrt.results.dataset.write_part import WrittenPart, write_part
from autrt.results.find import find_results
from autrt.results.in_processes import Died, in_processes
from autrt.storage.atomic_file import sweep
from autrt.storage.disk import make_folder, writing
from autrt.storage.escape import escape
from autrt.storage.lock import try_lock


@contextmanager
def only_writer(out: Path) -> Generator[None]:
    """Keep other writers from a data set for a block; where the file system has no locks, nothing does.

    Args:
        out: folder of the data set; made if need be, and removed where nothing was written into it.

    Raises:
        UsageError: another process writes it.
        DiskFullError, ResultsError: the folder cannot be made.
    """
    made = not out.exists()
    with writing(out):
        make_folder(out)
        fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if try_lock(fd) == "held":
            raise UsageError(f"another process writes the data set {escape(str(out))}: wait for its end")
        yield
    finally:
        if made:
            with suppress(OSError):  # not empty
                out.rmdir()
        os.close(fd)


def plan_dataset(results: Path, out: Path) -> DatasetPlan:
    """Compare a data set with a folder of results; nothing is opened but the data set's own `videos`.

    Args:
        results: folder of results files.
        out: folder of the data set; need not exist.

    Raises:
        UsageError: there are no results, or the data set is one of others.
        ResultsError: the data set is damaged.
    """
    return plan_parts(out, [_file(path, relative) for path, relative in find_results([results])])


def update_dataset(results: Path, out: Path, plan: DatasetPlan, jobs: int) -> Generator[WrittenPart]:
    """Do what the plan says; yield each part when it is written.

    To be called by the `only_writer`. Closing the generator stops the work; the next call makes what is missing.

    Args:
        results: folder of results files.
        out: folder of the data set.
        plan: see `plan_dataset`.
        jobs: parts at once, each in a process; a process takes about 300 MB.

    Raises:
        DiskFullError, ResultsError: the folder cannot be written.
    """
    with writing(out):
        sweep(out)
        remove_parts(out, plan.removed)
    write = partial(write_part, folder=results, out=out)
    with closing(in_processes(write, plan.parts, jobs, preload=write_part.__module__)) as work:
        for _, end in work:
            if isinstance(end, Died):
                raise ResultsError(f"{escape(str(out))}: {end}; `autrt verify` names the file")
            if end.error is not None:
                raise end.error
            yield end


def _file(path: Path, relative: Path) -> ResultsFile:
    stat = path.stat()
    return ResultsFile(escape(str(relative)), stat.st_size, stat.st_mtime_ns)
