"""Verification of many results files in parallel processes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from autrt.results.in_processes import Died, in_processes
from autrt.results.verification.verify import VerifyResult, verify_file


def verify_many(paths: Sequence[Path], jobs: int) -> Generator[tuple[int, VerifyResult]]:
    """Verify files, `jobs` at a time; yield the position in `paths` and the result of each when it is done.

    Closing the generator ends the processes.
    """
    with closing(in_processes(verify_file, paths, jobs, preload=verify_file.__module__)) as done:
        for place, found in done:
            yield place, VerifyResult(problems=(str(found),)) if isinstance(found, Died) else found
