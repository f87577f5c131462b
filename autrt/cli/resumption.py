"""What a run does to results that are there already: nothing finished is computed again without being asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autrt.cli.ending import again as command_again
from autrt.errors import ResultsError, UsageError
from autrt.results.names import results_path
from autrt.results.reader import open_results
from autrt.run.plan import RunPlan
from autrt.run.run import Split
from autrt.storage.escape import escape


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run, and the folder that it finds."""

    out: Path
    plan: RunPlan
    """Of this run; with --overwrite it names the inputs as overwritten."""
    found: RunPlan | None
    """The folder's plan."""
    split: Split
    inputs: Sequence[str]
    """Absolute."""
    sharded: bool

    def refusal(self) -> str | None:
        """Why this run must not begin: shards disagree, or finished videos would be computed again unasked."""
        try:
            if self.found is not None and self.sharded:
                self.plan.agree_with(self.found)
        except UsageError as error:
            return str(error)
        if not self.split.of("other-settings") or self.split.overwrite or self._was_asked():
            return None
        path, old = self._example()
        return "\n".join([*self._what(path, old), *self._ways(old)])

    def notes(self) -> list[str]:
        """What is done again, and why, a line for each reason."""
        other, changed, damaged = map(self.split.of, ("other-settings", "source-changed", "damaged"))
        lines: list[str] = []
        if self.split.overwrite and (again := len(self.split.of("finished")) + len(other)):
            made = f", {len(other)} of them made with other settings" if other else ""
            lines.append(f"--overwrite: computing {_videos(again, 'finished ')} again{made}")
        elif other and self._was_asked():
            lines.append(f"going on with --overwrite: {_videos(len(other))} of other settings left")
        elif not other and self.found is not None and self._mixes(self.found):
            changes = "; ".join(self.plan.changes(self.found))
            lines.append(
                f"note: {escape(str(self.out))} was begun with other settings; now it mixes them ({changes})"
            )
        if changed:
            lines.append(f"computing {_videos(len(changed))} again that changed since")
        if damaged:
            lines.append(f"computing {_videos(len(damaged))} again whose results are damaged")
        return lines

    def _was_asked(self) -> bool:
        """Whether a run like this one had --overwrite and was stopped."""
        found = self.found
        return found is not None and found.agrees(self.plan) and set(self.inputs) <= set(found.overwrites)

    def _mixes(self, found: RunPlan) -> bool:
        """Whether this run adds results to a folder of other settings."""
        return bool(self.split.todo) and not found.agrees(self.plan)

    def _what(self, path: Path, old: RunPlan | None) -> list[str]:
        other, finished = len(self.split.of("other-settings")), len(self.split.done)
        counts = [f"{_videos(other, 'finished ')} would be computed again"]
        if rest := len(self.split.todo) - other:
            counts.append(f"{rest} for the first time or because they changed")
        if finished:
            counts.append(f"{finished} done with these settings")
        return [
            f"{escape(str(self.out))} holds results of other settings: {', '.join(counts)}.",
            *(f"  {change}" for change in (self.plan.changes(old) if old else ())),
            *([f"  (old: as in {escape(str(path))})"] if old else ()),
        ]

    def _ways(self, old: RunPlan | None) -> list[str]:
        command = str(self.plan.about.get("command", ""))
        again = "--overwrite" if command.startswith("autrt infer") else f"delete {escape(str(self.out))}"
        without = () if self.sharded else ("--shard",)
        before = command_again(str(old.about["command"]), without=without) if old else ""
        return [
            "Choose:",
            f"  {again} to compute them again with the new settings",
            "  another --out to keep both",
            *([f"  the settings of before, to do only what is missing: {before}"] if before else ()),
        ]

    def _example(self) -> tuple[Path, RunPlan | None]:
        """A file that would be computed again, and what it was made with."""
        path = results_path(self.out, self.split.of("other-settings")[0].relative)
        try:
            with open_results(path) as results:
                made = results.header
        except ResultsError:  # gone since
            return path, None
        about = {"model_name": made.model_name, "command": made.command}
        return path, RunPlan({"model": made.model_digest, **made.settings}, about)


def _videos(n: int, kind: str = "") -> str:
    return f"{n} {kind}video{'' if n == 1 else 's'}"
