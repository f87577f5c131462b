"""The videos of a run and the state of their results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autrt.errors import UsageError, VideoError
from autrt.results.names import results_path
from autrt.run.files import LOCAL, Files
from autrt.run.job import Job, decoder_settings
from autrt.run.result_state import ResultState, result_state
from autrt.run.results_index import ResultsIndex
from autrt.storage.escape import escape
from autrt.types import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkList:
    """The videos of a run, in order, each with the state of its results."""

    states: tuple[tuple[Source, ResultState], ...]
    overwrite: bool = False
    """True if finished videos are done again."""
    files: Files = LOCAL
    """Looks at the videos and their results."""

    @property
    def todo(self) -> list[Source]:
        """Videos that must be done, and those whose bytes must be compared first."""
        return [source for source, state in self.states if self.overwrite or state != "finished"]

    @property
    def done(self) -> list[Source]:
        """Videos that are left as they are."""
        return [] if self.overwrite else self.of("finished")

    @property
    def touched(self) -> list[Source]:
        """Videos that need not be done if their bytes are those of before."""
        return [] if self.overwrite else self.of("touched")

    def of(self, state: ResultState) -> list[Source]:
        """Return the videos whose results are in this state."""
        return [source for source, found in self.states if found == state]

    def require_any(self) -> None:
        """Refuse a run none of whose videos exists: a name was mistyped. One missing video among others only fails.

        Raises:
            UsageError: names the first of them.
        """
        todo = self.todo
        if todo and not any(self.files.exists(source) for source in todo):
            names = ", ".join(escape(str(source.path)) for source in todo[:3])
            raise UsageError(f"no such file or folder: {names}{', …' if len(todo) > 3 else ''}")


def work_list(
    sources: Sequence[Source],
    job: Job,
    index: ResultsIndex,
    *,
    overwrite: bool = False,
    trust_fingerprint: bool = False,
) -> WorkList:
    """Look up the state of each video's results.

    Args:
        sources: the videos.
        job: model, settings and output folder.
        index: of the output folder; gets what was read.
        overwrite: finished videos are to be done again.
        trust_fingerprint: as for `result_state`.
    """
    numbers = job.numbers
    states: tuple[tuple[Source, ResultState], ...] = tuple(
        (s, _state(s, job, numbers, index, trust_fingerprint)) for s in sources
    )
    return WorkList(states=states, overwrite=overwrite, files=index.files)


def renewed(work: WorkList, job: Job, index: ResultsIndex) -> WorkList:
    """Look again where results were missing: another run may have finished them since."""
    numbers = job.numbers
    states: tuple[tuple[Source, ResultState], ...] = tuple(
        (source, _state(source, job, numbers, index, trust_fingerprint=False))
        if state == "missing" and index.files.results_state(results_path(job.out, source.relative))
        else (source, state)
        for source, state in work.states
    )
    return replace(work, states=states)


def _state(
    source: Source, job: Job, numbers: Mapping[str, Any], index: ResultsIndex, trust_fingerprint: bool
) -> ResultState:
    target = results_path(job.out, source.relative)
    try:
        return result_state(
            target,
            source,
            job.model.digest,
            {**numbers, **decoder_settings(source)},
            index,
            trust_fingerprint=trust_fingerprint,
        )
    except VideoError:
        return "source-changed"  # it will fail, with its reason, when its turn comes


def drop_repeated(sources: Sequence[Source]) -> tuple[list[Source], list[str]]:
    """Keep one of the sources that are the same file under two input folders.

    The one with the longest relative path is kept: its name says most.

    Returns:
        The sources in their order, and a line about each that was dropped.
    """
    best: dict[str, Source] = {}
    for source in sorted(sources, key=lambda s: len(s.relative), reverse=True):
        best.setdefault(os.path.realpath(source.path), source)
    kept: list[Source] = []
    notes: list[str] = []
    for source in sources:
        chosen = best[os.path.realpath(source.path)]
        if chosen is source:
            kept.append(source)
        else:
            notes.append(
                f"{escape(source.relative)} and {escape(chosen.relative)} are the same file: it is done once, as "
                f"{escape(chosen.relative)}"
            )
    return kept, notes
