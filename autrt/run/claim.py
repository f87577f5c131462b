"""Claiming an output folder for a run: its plan is the run's own, and no other run with another plan is at work."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError, UsageError
from autrt.run.plan import RunPlan
from autrt.storage.disk import make_folder, writing
from autrt.storage.escape import escape

_WAIT_S: Final = 0.01
"""Between looks at a folder whose plan somebody else is about to write."""
_TRIES: Final = 500


@dataclass(slots=True)
class Claim:
    """A folder that a run works in: locked (flock, shared) until it is closed or the process dies.

    The lock is best-effort: on a file system without locks, runs with other settings are only noticed by the plan.
    """

    fd: int

    def lock(self, *, alone: bool) -> bool:
        """Share the folder, or have it alone; False where others work in it."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return True
        return True

    def leave(self) -> None:
        """Give up the lock."""
        with suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave the folder to others for good."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def claim(out: Path, plan: RunPlan, *, sharded: bool, found: RunPlan | None = None) -> Claim:
    """Make `plan` the plan of the folder, or make sure that it is.

    An equal plan is left as it is, but for the inputs that --overwrite names. Several shards may start at once: one
    writes, the others compare.

    Args:
        out: made if need be.
        plan: of this run.
        sharded: whether it must agree with a plan that is there.
        found: the folder's plan when the caller decided to replace it.

    Raises:
        UsageError: a shard finds other settings, another run is at work or came in between with other settings, the
            file there is no plan, or `out` cannot be written.
        DiskFullError: no room.
    """
    held = Claim(_open(out))
    try:
        for _ in range(_TRIES):
            if _settled(held, out, plan, sharded, found):
                return held
            time.sleep(_WAIT_S)
        raise UsageError(_taken(out))
    except BaseException:
        held.close()
        raise


def _settled(held: Claim, out: Path, plan: RunPlan, sharded: bool, found: RunPlan | None) -> bool:
    """One try; False where somebody else is about to write a plan."""
    existing = RunPlan.read(out)
    if existing is not None and existing.agrees(plan):
        return _join(held, out, plan)
    if existing is not None and sharded:
        plan.agree_with(existing)
    if existing is not None and (found is None or not existing.agrees(found)):
        raise UsageError(_taken(out))
    if not held.lock(alone=True):
        if existing is not None and RunPlan.read(out) == existing:
            raise UsageError(_taken(out))
        return False
    if RunPlan.read(out) == existing:
        plan.write(out, replace=existing is not None)
    return _join(held, out, plan)


def _join(held: Claim, out: Path, plan: RunPlan) -> bool:
    """Share the folder; False where its plan is another by now."""
    held.lock(alone=False)
    existing = RunPlan.read(out)
    if existing is None or not existing.agrees(plan):
        held.leave()
        return False
    if more := [path for path in plan.overwrites if path not in existing.overwrites]:
        replace(existing, overwrites=(*existing.overwrites, *more)).write(out, replace=True)
    return True


def _open(out: Path) -> int:
    try:
        with writing(out):
            make_folder(out)
            return os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except ResultsError as error:
        raise UsageError(f"the output folder is of no use: {error}") from error


def _taken(out: Path) -> str:
    return (
        f"another run with other settings works in {escape(str(out))}, or has just begun there: wait for its end "
        "and look again (--dry-run), or choose another --out"
    )
