"""Summaries as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autrt.aus import AU_MEANING
from autrt.results.summaries.formats import Totals, Write
from autrt.results.summaries.summary import TrackSummary, VideoSummary

SHORT_S: Final = 1.0
"""Tracks shorter than this share one line, unless the video itself is shorter."""


class TextSummaryWriter:
    """Writes tables for people, at most 80 columns wide except for long names."""

    def __init__(self, write: Write, *, all_tracks: bool) -> None:
        self._write = write
        self._all_tracks = all_tracks
        self._left_out: dict[str, None] = {}

    def add_video(self, video: VideoSummary, left_out: tuple[str, ...]) -> None:
        """Write a line about the video, and a table for each track."""
        self._left_out |= dict.fromkeys(left_out)
        self._write(
            f"{video.video}\n  {_count(video.frames, 'frame')}, {clock(video.duration_s)}; {_face_share(video)}; "
            f"{_count(len(video.tracks), 'track')}; {video.model}\n"
        )
        if video.losses:
            self._write(f"  {_lost(video)}\n")
        folded = [] if self._all_tracks or video.duration_s < SHORT_S else _short(video)
        short = {track.track for track in folded}
        for track in video.tracks:
            if track.track not in short:
                self._write("".join(_table(track, several=len(video.tracks) > 1)))
        if folded:
            all_s = clock(sum(track.face_s for track in folded))
            self._write(
                f"  {_count(len(folded), 'track')} of less than {SHORT_S:g} s, {all_s} in all (--all-tracks)\n"
            )
        self._write("\n")

    def add_damaged(self, path: str, reason: str) -> None:
        """Do nothing: errors are printed to standard error."""

    def finish(self, total: Totals) -> None:
        """Write the totals, and the AUs that were left out."""
        self._write(
            f"{_count(total.videos, 'video')}, {_count(total.frames, 'frame')}, {clock(total.duration_s)}; "
            f"{_face_share(total)}; {_count(total.tracks, 'track')}\n"
        )
        if total.losses:
            self._write(f"  {_lost(total)} in {_count(total.videos_with_losses, 'video')}\n")
        if total.damaged:
            self._write(f"  {_count(total.damaged, 'results file')} damaged and not counted\n")
        if self._left_out:
            self._write(f"left out as experimental: {' '.join(self._left_out)} (--all-aus shows them)\n")


def clock(seconds: float) -> str:
    """Format seconds as 0:03.2 or 1:02:03."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    if minutes < 60:
        return f"{minutes}:{tenths // 10:02}.{tenths % 10}"
    return f"{minutes // 60}:{minutes % 60:02}:{tenths // 10:02}"


def _short(video: VideoSummary) -> list[TrackSummary]:
    return [track for track in video.tracks if track.face_s < SHORT_S]


def percent(share: float) -> str:
    """Format a share as a percentage; shares close to 0 and 1 become <1% and >99%."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _face_share(of: VideoSummary | Totals) -> str:
    return f"a face in {percent(of.face_frames / max(of.frames, 1))} of them"


def _lost(of: VideoSummary | Totals) -> str:
    lost = f"{_count(of.lost_packets, 'packet')} lost at {_count(of.losses, 'place')}"
    return f"{lost}, {_count(of.damaged_frames, 'damaged frame')}" if of.damaged_frames else lost


def _table(track: TrackSummary, *, several: bool) -> Iterator[str]:
    person = f" (person {track.person})" if several and track.person >= 0 else ""
    times = f"{clock(track.start_s)} to {clock(track.end_s)}, a face for {clock(track.face_s)}"
    yield f"  track {track.track}{person}: {times}\n"
    if track.aus:
        yield f"  {'AU':26}{'active':>6}{'mean':>5}{'peak':>5}{'at':>8}{'/min':>6}{'each s':>7}  grade\n"
    for au in track.aus:
        per_min = "–" if au.activations_per_min is None else f"{au.activations_per_min:.1f}"
        each = "–" if au.mean_activation_s is None else f"{au.mean_activation_s:.1f}"
        yield (
            f"  {au.au:5}{AU_MEANING.get(au.au, ''):21}{percent(au.active_share):>6}{au.mean:>5.2f}{au.peak:>5.2f}"
            f"{clock(au.peak_time_s):>8}{per_min:>6}{each:>7}  {au.grade}\n"
        )
