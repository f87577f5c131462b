"""Export of events: one file of several results files, or one of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError
from autrt.results.events.boris import write_boris
from autrt.results.events.csv import write_events_csv
from autrt.results.events.elan import write_elan
from autrt.results.events.find import EventRule, VideoEvents, video_events
from autrt.results.open_guarded import open_guarded
from autrt.results.tables.layout import twice_error

FORMATS: Final[Mapping[str, Callable[[Sequence[VideoEvents], Path], None]]] = {
    "elan": write_elan,
    "boris": write_boris,
    "events-csv": write_events_csv,
}
"""Name → what writes it."""

ONE_VIDEO: Final = frozenset({"elan"})
"""Formats whose files hold one video."""


def export_events(fmt: str, target: Path, paths: Sequence[Path], rule: EventRule) -> tuple[int, list[str]]:
    """Write the events of several results files to one file, whole or not at all; damaged files are left out.

    Args:
        fmt: a key of `FORMATS`.
        target: the file to write; an existing one is replaced.
        paths: results files; one for the formats of `ONE_VIDEO`.
        rule: what counts as an event.

    Returns:
        The number of events, and an error message for each results file that was left out. If all were, nothing is
        written.

    Raises:
        UsageError: two results files have the same source path.
        DiskFullError, ResultsError: `target` cannot be written.
    """
    videos: dict[str, VideoEvents] = {}
    bad: list[str] = []
    for path in paths:
        try:
            with open_guarded(path) as results:
                found = video_events(results, rule)
        except ResultsError as error:
            bad.append(str(error))
            continue
        if found.video in videos:
            raise twice_error(results.header.source.path, path)
        videos[found.video] = found
    if videos:
        FORMATS[fmt](list(videos.values()), target)
    return sum(len(video.events) for video in videos.values()), bad
