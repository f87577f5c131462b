"""The rules for results that are there already: nothing finished is computed again without being asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autrt.errors import ResultsError, UsageError
from autrt.results.model_titles import short_digest
from autrt.results.names import results_path
from autrt.results.reader import open_results
from autrt.run.command_text import fingerprint_advice, overwrite_advice, resume_command
from autrt.run.job import decoder_settings
from autrt.run.run_json import RunJson
from autrt.run.work_list import WorkList
from autrt.storage.escape import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A run, and the folder that it finds."""

    out: Path
    name: str
    """Of its place, for messages."""
    settings: RunJson
    """Of this run; with --overwrite it names the inputs as overwritten."""
    found: RunJson | None
    """Settings of the folder's last run."""
    work: WorkList
    inputs: Sequence[str]
    """Absolute paths."""
    sharded: bool

    def refusal(self) -> str | None:
        """Return why this run must not begin, if it must not.

        It must not where shards disagree, or finished videos would be computed again without being asked.
        """
        try:
            if self.found is not None and self.sharded:
                self.settings.require_agreement(self.found)
        except UsageError as error:
            return str(error)
        if not self.work.of("other-settings") or self.work.overwrite or self._overwrites_again():
            return None
        source = self.work.of("other-settings")[0]
        path = results_path(self.out, source.relative)
        old = _settings_of(self.work.files.results_file(path))
        new = replace(self.settings, settings={**self.settings.settings, **decoder_settings(source)})
        changes = new.changes(old) if old else ()
        return "\n".join([*self._differences(source.relative, changes), *self._choices(old)])

    def notes(self) -> list[str]:
        """Return a line for each reason to compute videos again."""
        other, changed, damaged = map(self.work.of, ("other-settings", "source-changed", "damaged"))
        lines: list[str] = []
        if self.work.overwrite and (again := len(self.work.of("finished")) + len(other)):
            made = f", {len(other)} of them made with other settings" if other else ""
            lines.append(f"overwrite: computing {_videos(again, 'finished ')} again{made}")
        elif other and self._overwrites_again():
            lines.append(f"going on with overwrite: {_videos(len(other))} of other settings left")
        elif not other and self.found is not None and self._mixes(self.found):
            changes = "; ".join(self.settings.changes(self.found))
            lines.append(f"note: {self.name} was begun with other settings; now it mixes them ({changes})")
        if self.work.touched:
            lines.append(
                f"comparing the bytes of {_videos(len(self.work.touched))} of another time of change; only changed "
                "ones are computed again (a shorter comparison: "
                f"{fingerprint_advice(str(self.settings.about.get('command', '')))})"
            )
        if changed:
            lines.append(f"computing {_videos(len(changed))} again that changed since")
        if damaged:
            lines.append(f"computing {_videos(len(damaged))} again whose results are damaged")
        return lines

    def _overwrites_again(self) -> bool:
        """Return whether an earlier run like this one had --overwrite and was stopped."""
        found = self.found
        return found is not None and found.agrees(self.settings) and set(self.inputs) <= set(found.overwrites)

    def _mixes(self, found: RunJson) -> bool:
        """Return whether this run adds results to a folder of other settings."""
        return bool(self.work.todo) and not found.agrees(self.settings)

    def _differences(self, relative: str, changes: Sequence[str]) -> list[str]:
        other, finished = len(self.work.of("other-settings")), len(self.work.done)
        counts = [f"{_videos(other, 'finished ')} would be computed again"]
        if rest := len(self.work.todo) - other:
            counts.append(f"{rest} for the first time or because they changed")
        if finished:
            counts.append(f"{finished} done with these settings")
        return [
            f"{self.name} holds results of other settings: {', '.join(counts)}.",
            *(f"  {change}" for change in changes),
            *([f"  (old: as in the results of {escape(relative)})"] if changes else ()),
        ]

    def _choices(self, old: RunJson | None) -> list[str]:
        again = overwrite_advice(str(self.settings.about.get("command", "")), self.name)
        return [
            "Choose:",
            f"  {again} to compute them again with the new settings",
            "  another output folder to keep both",
            *([f"  {self._way_back(old)}"] if old else ()),
        ]

    def _way_back(self, old: RunJson) -> str:
        """Return how to do only what is missing; the old command does not where its model or decisions are gone."""
        name, digest = str(old.about["model_name"]), str(old.settings["model"])
        if self.settings.about.get("model_name") == name and self.settings.settings["model"] != digest:
            return (
                f"the model of before, to do only what is missing: {escape(name)} ({short_digest(digest)}), by "
                f"--model where its folder is kept, or by the autrt that made the results ({old.about['version']})"
            )
        if by := str(old.about["recomputed"]):
            return f"the settings of before, to do only what is missing: --model and --baseline as in: {by}"
        without = () if self.sharded else ("--shard",)
        before = resume_command(str(old.about["command"]), without=without)
        return f"the settings of before, to do only what is missing: {before}"


def _settings_of(path: Path) -> RunJson | None:
    """Return the settings that a results file was made with; None if it was deleted since."""
    try:
        with open_results(path) as results:
            made = results.header
    except ResultsError:
        return None
    about = {
        "model_name": made.model_name,
        "command": made.command,
        "version": made.versions.get("autrt", "of unknown version"),
        "recomputed": made.recomputed[-1]["command"] if made.recomputed else "",
    }
    return RunJson({"model": made.model_digest, **made.settings}, about)


def _videos(n: int, kind: str = "") -> str:
    return f"{n} {kind}video{'' if n == 1 else 's'}"
