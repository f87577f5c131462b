"""The summary of a run: the end of each of its videos, and what ended the run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autrt.errors import AutrtError
from autrt.run.command_text import resume_command
from autrt.run.job import Outcome
from autrt.storage.escape import escape
from autrt.storage.remote_url import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The end of a run, as `autrt.infer` returns it."""

    out: Location
    """Place of the results."""
    command: str = ""
    """The command line, or the call of `autrt.infer`."""
    todo: int = 0
    """Videos that had to be done."""
    skipped: int = 0
    """Videos that were finished before."""
    outcomes: Sequence[Outcome] = ()
    """One for each video that ended, in the order of their ends."""
    seconds: float = 0.0
    """Duration of the run."""
    signal: int | None = None
    """The signal that stopped the run, if one did."""
    error: AutrtError | None = None
    """The error that stopped the run, where it concerns all videos: a full disk, or a failed engine."""
    overwrite: bool = False
    """True if finished videos were to be done again."""
    au_grades: Mapping[str, str] = field(default_factory=dict[str, str])
    """AU → validated, weak, experimental or ungraded."""

    def count(self, *statuses: str) -> int:
        """Return the number of videos that ended with one of these statuses."""
        return sum(outcome.status in statuses for outcome in self.outcomes)

    @property
    def frames(self) -> int:
        """Frames of all videos that were done."""
        return sum(outcome.frames for outcome in self.outcomes)

    @property
    def video_s(self) -> float:
        """Seconds of video that were done."""
        return sum(outcome.video_s for outcome in self.outcomes)

    @property
    def failed(self) -> dict[str, str]:
        """Relative path → reason, for the videos that failed."""
        return {outcome.relative: outcome.reason for outcome in self.outcomes if outcome.status == "failed"}

    @property
    def exit_code(self) -> int:
        """The exit code of the command line."""
        if self.signal is not None:
            return 128 + self.signal
        if self.error is not None:
            return self.error.exit_code
        return 3 if self.count("failed") else 0

    def __repr__(self) -> str:
        counts = [f"{self.count(s)} {s}" for s in ("ok", "partial", "failed", "stopped") if self.count(s)]
        counts += [f"{self.skipped} done before"] if self.skipped else []
        return f"<RunSummary {str(self.out)!r}: {', '.join(counts) or 'nothing done'}>"

    def facts(self) -> dict[str, Any]:
        """Return the keys that the last event of `--progress json` has beside the counts."""
        facts = end_facts(self.out, self.command, self.exit_code)
        if self.signal is not None:
            facts["signal"] = self.signal
        if self.error is not None:
            facts["error"] = escape(str(self.error))
        return facts


def end_facts(out: Location, command: str, exit_code: int) -> dict[str, Any]:
    """Return the keys that the last event has in any case.

    Args:
        out: folder of the results.
        command: the command line, or the call of `autrt.infer`.
        exit_code: of the command line.
    """
    return {"out": escape(str(out)), "command": resume_command(command), "exit_code": exit_code}
