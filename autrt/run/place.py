"""Where the videos and results of a run lie, and how the run gets at them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from autrt.errors import UsageError
from autrt.results.names import results_path
from autrt.run.exchange import Exchange
from autrt.run.files import LOCAL, Files
from autrt.run.folder_lock import Door, FolderDoor
from autrt.run.options import InferOptions
from autrt.run.results_index import ResultsIndex
from autrt.run.shard_plan import read_plan
from autrt.run.work_list import WorkList
from autrt.storage.escape import escape
from autrt.storage.remote_url import Location
from autrt.types import Source
from autrt.video.discover import discover


class Place:
    """The place of a run whose videos and results lie on this machine.

    Args:
        out: folder of the results.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        """Folder that the run writes to."""
        self.name = escape(str(out))
        """Of the place of the results, for messages."""
        self.files: Files = LOCAL
        self.exchange = Exchange()
        self.door: Door = FolderDoor(out)

    def sources(self, options: InferOptions) -> list[Source]:
        """Return the videos that the inputs name, or those of the plan.

        Raises:
            UsageError: an input is wrong; StorageError: it cannot be listed.
        """
        if options.plan is None:
            here = [path for path in options.inputs if isinstance(path, Path)]
            return discover(here, self.out, stills_together=options.stills == "folder")
        if options.inputs:
            raise UsageError("plan: expected no further inputs, as the plan names all videos")
        return read_plan(options.plan, options.shard)

    def is_here(self, source: Source) -> bool:
        """Return whether a source lies on this machine before its turn."""
        return True

    def target(self, source: Source) -> Location:
        """Return the place of a source's results."""
        return results_path(self.out, source.relative)

    def deliver_found(self, work: WorkList, index: ResultsIndex) -> None:
        """Take results where they belong that an earlier run finished, but could not take there."""

    def close(self) -> None:
        """Let go of what a run needed."""


def open_place(options: InferOptions) -> Place:
    """Return the place of a run; nothing is written there.

    Raises:
        UsageError: nothing can be written there.
        MissingDependencyError: a package that speaks a store's protocol is not installed.
        StorageError: a store refuses, or does not answer.
    """
    if isinstance(options.out, Path) and all(isinstance(path, Path) for path in options.inputs):
        return Place(options.out)
    from autrt.run.cloud.place import CloudPlace

    return CloudPlace(options)


def merged(groups: Sequence[Sequence[Source]]) -> list[Source]:
    """Return the sources of several inputs, in bytewise order of their relative paths.

    Raises:
        UsageError: two have one relative path.
    """
    sources = [source for group in groups for source in group]
    require_distinct([source.relative for source in sources])
    return sorted(sources, key=lambda source: os.fsencode(source.relative))


def require_distinct(names: Iterable[str]) -> None:
    """Refuse videos of one relative path, which would be written over each other.

    Raises:
        UsageError: names the first.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(
                f"two videos would both be written as {escape(name)!r}: give a place that holds both, or process "
                "them into two results folders"
            )
        seen.add(name)
