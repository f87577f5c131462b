"""Rendering of the report's pages from their content; needs Jinja2 and Plotly."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from plotly.offline import get_plotlyjs

from autrt import __version__
from autrt.report.content import VideoContent
from autrt.report.flags import Flag
from autrt.report.page.packed import packed, packed_timeline
from autrt.results.events.find import EventRule
from autrt.results.model_titles import model_titles
from autrt.results.summaries.formats import Totals
from autrt.results.summaries.text import clock, percent
from autrt.types import I64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One video in the overview's table."""

    video: str
    link: str
    duration_s: float
    face_share: float
    tracks: int
    shares: Mapping[str, float | None]
    """AU → share of the time with a face within its events."""
    flags: Sequence[Flag]


@dataclass(slots=True, kw_only=True)
class Overview:
    """What a report says about all videos together; videos are added one by one."""

    where: str
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Video and reason."""
    damaged: list[tuple[str, str]] = field(default_factory=list)
    """Results file and reason."""
    no_pictures: list[tuple[str, str]] = field(default_factory=list)
    """Video, and why the pictures that were asked for are missing."""
    total: Totals = field(default_factory=Totals)
    rows: list[Row] = field(default_factory=list)
    meanings: dict[str, str] = field(default_factory=dict)
    """AU → its movement, of all AUs in the report."""
    left_out: dict[str, None] = field(default_factory=dict)
    models: dict[tuple[str, str], None] = field(default_factory=dict)
    """Name and digest of each."""
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _timed: tuple[float, float] = (0.0, 0.0)

    @property
    def models_note(self) -> str:
        """What to say about the models; empty for one."""
        titles = model_titles(self.models)
        return f"These are results of different models: {', '.join(titles)}." if len(titles) > 1 else ""

    def add(self, video: VideoContent, link: str) -> None:
        """Add one video; `link` leads to its part of the report."""
        self.total.add(video.summary)
        self.left_out |= dict.fromkeys(video.left_out)
        self.models[video.summary.model, video.model_digest] = None
        self.meanings |= {row.au: row.meaning for row in video.aus}
        if video.no_pictures:
            self.no_pictures.append((video.summary.video, video.no_pictures))
        names = [row.au for row in video.aus]
        for i, au in enumerate(names):
            for j, other in enumerate(names):
                self._counts[au, other] = self._counts.get((au, other), 0) + int(video.together[i, j])
        if video.processing_s:
            self._timed = (self._timed[0] + video.summary.duration_s, self._timed[1] + video.processing_s)
        self.rows.append(
            Row(
                video=video.summary.video,
                link=link,
                duration_s=video.summary.duration_s,
                face_share=video.summary.face_frames / max(video.summary.frames, 1),
                tracks=len(video.summary.tracks),
                shares={row.au: row.share for row in video.aus},
                flags=video.flags,
            )
        )

    @property
    def names(self) -> list[str]:
        """All Action Units."""
        return list(self.meanings)

    @property
    def face_share(self) -> float:
        """Share of frames with a face."""
        return self.total.face_frames / max(self.total.frames, 1)

    @property
    def speed(self) -> float | None:
        """Seconds of video a second of processing, where a manifest states how long that took."""
        return self._timed[0] / self._timed[1] if self._timed[1] else None

    @property
    def together(self) -> I64:
        """(A, A) int64: faces in which both AUs are active."""
        names = self.names
        return np.array([[self._counts.get((a, b), 0) for b in names] for a in names]).reshape(len(names), -1)


def plotly_script() -> str:
    """Return Plotly's script as its package ships it."""
    return get_plotlyjs()


def render_page(
    *,
    title: str,
    rule: EventRule,
    overview: Overview | None,
    videos: Sequence[tuple[str, VideoContent]],
    left_out: Sequence[str],
    script_file: str | None = None,
    back: str | None = None,
) -> str:
    """Return a page as HTML.

    Args:
        title: of the page.
        rule: what counts as an event.
        overview: what stands at the top; None on a page of one video.
        videos: the id of each video on the page, and its content.
        left_out: experimental AUs that are not shown.
        script_file: relative path of Plotly's script; None: within the page, where it has videos.
        back: relative path of the index.
    """
    drawn = any(video.summary.tracks for _, video in videos)
    return _template().render(
        title=title,
        rule=rule,
        overview=overview,
        articles=[_article(name, video) for name, video in videos],
        left_out=left_out,
        script_file=script_file if drawn else None,
        packed_script=packed(plotly_script()) if drawn and script_file is None else None,
        keys=drawn,
        back=back,
        version=__version__,
        css=_text("report.css"),
        js=_text("report.js"),
    )


def _article(name: str, video: VideoContent) -> dict[str, Any]:
    summary = video.summary
    return {
        "id": name,
        "data": f"{name}-data",
        "packed": packed_timeline(video) if summary.tracks else "",
        "face_share": summary.face_frames / max(summary.frames, 1),
        "speed": summary.duration_s / video.processing_s if video.processing_s else None,
        "names": [row.au for row in video.aus],
        "pictured": any(row.picture for row in video.aus),
        **{
            key: getattr(video, key)
            for key in (
                "summary",
                "flags",
                "aus",
                "timeline",
                "together",
                "losses",
                "engine",
                "processing_s",
                "quality",
            )
        },
    }


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "clock": clock,
        "percent": percent,
        "base64": _base64,
    }
    return environment.from_string(_text("report.html.j2").lstrip())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _text(name: str) -> str:
    return files("autrt.report.page").joinpath(name).read_text(encoding="utf-8")
