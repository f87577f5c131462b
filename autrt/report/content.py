"""What a report says about one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.aus import AU_MEANING
from autrt.report.flags import Flag, flags_of
from autrt.report.pictures import peak_pictures
from autrt.report.timeline import Timeline, make_timeline
from autrt.results.events.find import AUEvent, EventRule, find_events
from autrt.results.reader import Results
from autrt.results.summaries.summary import VideoSummary, summarise
from autrt.storage.escape import escape
from autrt.types import I64

EXPERIMENTAL = "experimental"


@dataclass(frozen=True, slots=True, kw_only=True)
class AURow:
    """One Action Unit of one video, over all tracks."""

    au: str
    meaning: str
    grade: str
    threshold: float
    events: tuple[AUEvent, ...]
    share: float
    """Of the time with a face that is within events; more than 1 is possible with several faces at once."""
    per_min: float | None
    """Events per minute with a face; None below a second."""
    picture: bytes | None
    """JPEG of the face at the highest peak."""

    @property
    def mean_s(self) -> float | None:
        """Mean duration of the events."""
        return sum(e.duration_s for e in self.events) / len(self.events) if self.events else None

    @property
    def top(self) -> AUEvent | None:
        """The event with the highest peak."""
        return max(self.events, key=lambda e: e.peak, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoContent:
    """One video of a report; texts are escaped (`storage.escape`)."""

    summary: VideoSummary
    face_s: float
    """Time with a face, of all tracks together."""
    aus: tuple[AURow, ...]
    left_out: tuple[str, ...]
    """Experimental AUs that are not shown."""
    together: I64
    """(A, A) int64: faces in which both AUs are active; on the diagonal those of one."""
    quality: float | None
    """Median quality of the faces; None without faces, and in results of earlier versions."""
    no_pictures: str
    """Why there are no pictures of the peaks, where they were asked for; empty otherwise."""
    flags: tuple[Flag, ...]
    losses: tuple[tuple[float, int, str], ...]
    """Time (s), packets, reason."""
    timeline: Timeline
    model_digest: str
    engine: str
    processing_s: float | None
    """As the manifest states; None without one."""


def read_content(
    results: Results,
    rule: EventRule,
    *,
    all_aus: bool,
    most_bins: int,
    videos: Path | None,
    processing_s: float | None,
) -> VideoContent:
    """Read a results file for the report.

    Args:
        results: an open results file.
        rule: what counts as an event.
        all_aus: experimental Action Units too.
        most_bins: bins of the timeline.
        videos: the videos' folder, for pictures of the peaks; None: no pictures.
        processing_s: seconds that the run took for it, if known.

    Raises:
        ResultsError: the file is damaged.
    """
    header, summary = results.header, summarise(results)
    shown = [a for a, grade in enumerate(results.au_grades) if all_aus or grade != EXPERIMENTAL]
    events = find_events(results, rule)
    face_s = sum(track.face_s for track in summary.tracks)
    of_au = {a: tuple(e for e in events if e.au == escape(results.au_names[a])) for a in shown}
    pictures, no_pictures = ({}, "") if videos is None else peak_pictures(results, of_au, videos)
    return VideoContent(
        summary=summary,
        face_s=face_s,
        aus=tuple(_row(results, a, of_au[a], face_s, pictures.get(a)) for a in shown),
        left_out=tuple(escape(au) for a, au in enumerate(results.au_names) if a not in shown),
        together=_together(results, shown),
        quality=_median_quality(results),
        no_pictures=no_pictures,
        flags=flags_of(results, summary),
        losses=_losses(results),
        timeline=make_timeline(results, of_au, most_bins),
        model_digest=header.model_digest,
        engine=f"{header.engine} {header.precision} on {header.device}",
        processing_s=processing_s,
    )


def _row(
    results: Results, a: int, events: tuple[AUEvent, ...], face_s: float, picture: bytes | None
) -> AURow:
    au = escape(results.au_names[a])
    return AURow(
        au=au,
        meaning=AU_MEANING.get(au, ""),
        grade=escape(results.au_grades[a]),
        threshold=results.header.thresholds[a],
        events=events,
        share=sum(e.duration_s for e in events) / face_s if face_s else 0.0,
        per_min=60 * len(events) / face_s if face_s >= 1 else None,
        picture=picture,
    )


def _median_quality(results: Results) -> float | None:
    if not results.n_faces or "quality" not in results.faces:
        return None
    return float(np.median(results.quality()))


def _together(results: Results, shown: Sequence[int]) -> I64:
    counts = np.zeros((len(shown), len(shown)), np.int64)
    for _, faces in results.spans():
        active = results.faces["active", faces][:, list(shown)].astype(np.int64)
        counts += active.T @ active
    return counts


def _losses(results: Results) -> tuple[tuple[float, int, str], ...]:
    columns = (results.lost[name].tolist() for name in ("time_s", "packets", "reason"))
    return tuple(zip(*columns, strict=True))
