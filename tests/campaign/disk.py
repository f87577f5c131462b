"""Disk faults at random points: a disk that is full, over its quota or broken, for good or once."""

from __future__ import annotations

import errno
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.campaign.command import digests, faults_in, infer_command, start, tail
from tests.campaign.journal import Journal

SOURCE: Final = Path(__file__).with_name("full_disk.c")
ERRORS: Final = {"full": errno.ENOSPC, "over quota": errno.EDQUOT, "broken": errno.EIO}
_LIMIT_S: Final = 600.0


def compile_shim(folder: Path) -> Path:
    """Compile the library that lets changes of files fail.

    Raises:
        FileNotFoundError: there is no C compiler `cc`.
        subprocess.CalledProcessError: it does not compile.
    """
    target = folder / "full_disk.so"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-o", target, SOURCE, "-ldl"], check=True, capture_output=True
    )
    return target


def fault_environment(
    shim: Path, folder: Path, after: int, error: int, *, once: bool, log: Path
) -> dict[str, str]:
    """Return the environment in which the change after `after` others of a file below a folder fails."""
    environment = {
        "LD_PRELOAD": str(shim),
        "FAULT_DIR": f"{folder}/",
        "FAULT_AFTER": str(after),
        "FAULT_ERRNO": str(error),
        "FAULT_LOG": str(log),
    }
    return environment | ({"FAULT_ONCE": "1"} if once else {})


@dataclass(kw_only=True)
class DiskCampaign:
    """Disk faults in one set of videos; the arguments are those of `kills.KillCampaign`."""

    videos: Path
    scratch: Path
    journal: Journal
    seed: int
    workers: int = 1

    def run(self, deadline_s: float, most: int) -> None:
        """Inject faults until a time (`time.monotonic`) or a number of them is reached."""
        shim = compile_shim(self.scratch)
        whole = self.scratch / "whole"
        trace = self.scratch / "changes"
        trace.unlink(missing_ok=True)
        shutil.rmtree(whole, ignore_errors=True)
        environment = fault_environment(shim, whole, 0, 0, once=False, log=trace)
        self._run(whole, self.scratch / "whole.log", environment | {"FAULT_TRACE": "1"})
        reference = digests(whole)
        assert len(reference) == len(list(self.videos.iterdir())), tail(self.scratch / "whole.log")
        changes = [line.split(" ", 1)[0] for line in trace.read_text().splitlines()]
        while time.monotonic() < deadline_s and self.journal.next < most:
            self._case(shim, reference, changes)

    def _case(self, shim: Path, reference: dict[str, str], changes: Sequence[str]) -> None:
        case = self.journal.next
        random_ = random.Random(f"{self.seed}/{case}")
        out = Path(tempfile.mkdtemp(dir=self.scratch, prefix="faulty-"))
        log, hits = out.with_suffix(".log"), out.with_suffix(".hits")
        kind, once = random_.choice(sorted(ERRORS)), random_.random() < 0.4
        call = random_.choice(
            sorted(set(changes))
        )  # most changes are writes, and syncs and renames matter as much
        after = random_.choice([i for i, name in enumerate(changes) if name == call])
        environment = fault_environment(shim, out, after, ERRORS[kind], once=once, log=hits)
        ended = self._run(out, log, environment)
        failures = hits.read_text().splitlines() if hits.exists() else []
        faults = faults_in(out, reference, all_of_them=False)
        said = tail(log)
        if ended is None:
            faults.append("hung")
        elif ended == 0 and len(digests(out)) < len(reference):
            faults.append("exit code 0, although results are missing")
        elif ended not in (0, 1, 2, 3) or "Traceback" in said or "internal error" in said:
            faults.append(f"ended with {ended}: {said}")
        again = self._run(out, log, {})
        if again != 0:
            faults.append(f"the next run ended with {again}: {tail(log)}")
        faults += faults_in(out, reference, all_of_them=True)
        self.journal.add(
            case,
            kind=kind + (" once" if once else ""),
            after=after,
            failed=failures[0].split(" ", 1)[0] if failures else "nothing",
            ended=ended,
            faults=faults,
            at=str(out) if faults else "",
        )
        if not faults:
            shutil.rmtree(out)

    def _run(self, out: Path, log: Path, environment: dict[str, str]) -> int | None:
        running = start(infer_command(self.videos, out, "--workers", str(self.workers)), log, **environment)
        try:
            return running.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            running.kill()
            return None


def summary(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each kind of fault and call that failed."""
    rows: list[dict[str, Any]] = []
    for kind, failed in sorted({(case["kind"], case["failed"]) for case in cases}):
        mine = [case for case in cases if (case["kind"], case["failed"]) == (kind, failed)]
        bad = [case["case"] for case in mine if case["faults"]]
        ended = sorted({str(case["ended"]) for case in mine})
        rows.append(
            {
                "disk": kind,
                "first call that failed": failed,
                "times": len(mine),
                "exit codes": ", ".join(ended),
                "with faults": len(bad),
                "cases": bad[:10] or "",
            }
        )
    return rows
