"""Readers of BORIS's event exports (tabular and aggregated) and project files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from autrt.storage.escape import escape
from autrt_train.labels.coding import Coding, aus_in, concatenate, parse_level
from autrt_train.labels.export_table import ExportTable, cell, parse_seconds, read_export_table
from autrt_train.labels.spans import CODED, CodedSpans, Span, sample_codes
from autrt_train.types import DataError

NO_SUBJECT: Final = "no focal subject"
_PLAYER: Final = re.compile(r"player #\d+:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Start or stop of a state, a point event, or a whole bout."""

    video: str
    subject: str
    behaviour: str
    modifier: str
    start_s: float
    stop_s: float | None = None
    """End of a whole bout; None for the events in `kind`."""
    kind: str = ""
    """START, STOP or POINT."""


def is_header(cells: Sequence[str]) -> bool:
    """Return True if a line is the header of an export of events."""
    names = {name.strip().lower() for name in cells}
    tabular = "time" in names and bool(names & {"behavior type", "status"})
    return "behavior" in names and ("start (s)" in names or tabular)


def read_export(path: Path, every_s: float) -> Coding:
    """Read a tabular or an aggregated export, CSV or TSV.

    Behaviours are named after AUs (`AU12`, `12 lip corner puller`); a behaviour `coded` marks the intervals
    that were coded (default: from a video's first event to its last). The subject is the person, a modifier
    that is a FACS letter or number the level.

    Args:
        path: the file; lines before the header are ignored.
        every_s: seconds between the moments that are sampled within an interval.

    Raises:
        DataError: it is not such a file, a state is not stopped, or no behaviour names an AU; names file and
            line.
    """
    lines = read_export_table(path, is_header)
    events = [_event(row, number, lines) for number, row in lines.numbered()]
    return _coding(path, events, every_s)


def read_project(path: Path, every_s: float) -> Coding:
    """Read a `.boris` project; arguments and errors as in `read_export`."""
    try:
        project = cast("dict[str, Any]", json.loads(path.read_bytes()))
        events = [
            event
            for name, observation in project["observations"].items()
            for event in _observed(name, observation, project)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{escape(str(path))} cannot be read as a BORIS project: {error!r}") from error
    return _coding(path, events, every_s)


def _event(row: Sequence[str], number: int, lines: ExportTable) -> Event:
    def text(*names: str) -> str:
        return next((value for name in names if (value := cell(row, lines.header, name))), "")

    video = text("media file name", "media file path", "media file", "source", "observation id")
    modifier = text("modifiers", "modifier #1", "modifier 1")
    who, behaviour = text("subject"), text("behavior")
    if "start (s)" in lines.header:
        start_s = parse_seconds(text("start (s)"), lines.path, number, "Start (s)")
        stop = text("stop (s)")
        point = stop.lower() in ("", "na", "nan") or text("behavior type").upper() == "POINT"
        stop_s = start_s if point else parse_seconds(stop, lines.path, number, "Stop (s)")
        return Event(
            video=_PLAYER.sub("", video),
            subject=who,
            behaviour=behaviour,
            modifier=modifier,
            start_s=start_s,
            stop_s=stop_s,
        )
    time_s = parse_seconds(text("time"), lines.path, number, "Time")
    kind = text("behavior type", "status").upper()
    return Event(
        video=_PLAYER.sub("", video),
        subject=who,
        behaviour=behaviour,
        modifier=modifier,
        start_s=time_s,
        kind=kind or "POINT",
    )


def _observed(name: str, observation: Mapping[str, Any], project: Mapping[str, Any]) -> Iterable[Event]:
    """Yield the events of one observation; the events of a state alternately start and stop it."""
    states = {
        str(behaviour["code"])
        for behaviour in project["behaviors_conf"].values()
        if str(behaviour["type"]).lower().startswith("state")
    }
    players = observation["file"]
    files = [str(file) for player in sorted(players) for file in players[player]] or [name]
    lengths = observation.get("media_info", {}).get("length", {})
    starts_s = [0.0, *accumulate(float(lengths.get(file, np.inf)) for file in files)][: len(files)]
    open_states: set[tuple[str, str]] = set()
    for event in sorted(observation["events"], key=lambda event: float(event[0])):
        time_s, who, behaviour, modifier = float(event[0]), str(event[1]), str(event[2]), str(event[3])
        at = max(i for i, start_s in enumerate(starts_s) if start_s <= time_s)
        kind = "POINT"
        if behaviour in states:
            kind = "STOP" if (who, behaviour) in open_states else "START"
            open_states ^= {(who, behaviour)}
        yield Event(
            video=files[at],
            subject=who,
            behaviour=behaviour,
            modifier=modifier,
            start_s=time_s - starts_s[at],
            kind=kind,
        )


def _coding(path: Path, events: Sequence[Event], every_s: float) -> Coding:
    bouts = [
        *(e for e in events if e.stop_s is not None),
        *_paired(path, [e for e in events if e.stop_s is None]),
    ]
    spans: dict[tuple[str, str], list[Span]] = {}
    for bout in bouts:
        who = "" if bout.subject.lower() == NO_SUBJECT else bout.subject
        stop_s = bout.start_s if bout.stop_s is None else bout.stop_s
        coded = bout.behaviour.strip().lower() == CODED
        level = parse_level(bout.modifier) if bout.modifier and bout.modifier.lower() != "none" else np.inf
        for au in [CODED] if coded else aus_in(bout.behaviour):
            spans.setdefault((bout.video, who), []).append(
                Span(au=au, start_s=bout.start_s, stop_s=stop_s, level=level)
            )
    units = {span.au for some in spans.values() for span in some} - {CODED}
    if not units:
        behaviours = ", ".join(sorted({event.behaviour for event in events})) or "none"
        raise DataError(
            f"{escape(str(path))}: expected behaviours named after AUs (AU12), found the behaviours {behaviours}"
        )
    names = tuple(sorted(units, key=lambda au: int(au[2:])))
    files = [
        CodedSpans(video=video, au_names=names, spans=tuple(some), person=person)
        for (video, person), some in spans.items()
    ]
    return concatenate([sample_codes(file, every_s) for file in files])


def _paired(path: Path, events: Sequence[Event]) -> Iterable[Event]:
    """Yield bouts from pairs of start and stop; point events are yielded unchanged."""
    states: dict[tuple[str, str, str], list[Event]] = {}
    for event in events:
        if event.kind == "POINT":
            yield event
        else:
            states.setdefault((event.video, event.subject, event.behaviour), []).append(event)
    for (video, subject, behaviour), some in states.items():
        some = sorted(some, key=lambda event: event.start_s)
        kinds = [event.kind for event in some]
        if len(some) % 2 or kinds != ["START", "STOP"] * (len(some) // 2):
            raise DataError(
                f"{escape(str(path))}: {behaviour} of {subject or 'no subject'} in {video}: expected a stop "
                f"after every start, found {', '.join(kinds[:6])}: correct it in BORIS (Observations, Fix "
                "unpaired events)"
            )
        for start, stop in list(pairwise(some))[::2]:
            yield Event(
                video=video,
                subject=subject,
                behaviour=behaviour,
                modifier=start.modifier,
                start_s=start.start_s,
                stop_s=stop.start_s,
            )
