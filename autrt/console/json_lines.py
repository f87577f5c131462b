"""Progress as JSON lines, for programs; the events are in docs/progress.md."""

from __future__ import annotations

import json
from typing import Any

from autrt.console.live import LiveReporter
from autrt.console.progress import RunProgress, VideoProgress


class JsonReporter(LiveReporter):
    """Prints one JSON object a line, from `begin` to `end`."""

    _first_shown = False

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Print {"event": "begin"}."""
        with self._lock:
            self._write("begin", videos=videos, frames=frames, skipped=skipped, video_seconds=None)
            super().begin(videos, frames, skipped=skipped)

    def advance(self, done: VideoProgress, name: str = "") -> None:
        """Count; print {"event": "progress"} with the first frames, and from then on once a second."""
        super().advance(done, name)
        if done.frames and not self._first_shown:
            self.tick()

    def say(self, line: str) -> None:
        """Print {"event": "message"}."""
        self._write("message", text=line)

    def _show(self, now: RunProgress) -> None:
        if not now.frames:
            return
        self._first_shown = True
        self._write(
            "progress",
            frames=now.frames,
            faces=now.faces,
            videos_ended=now.ended,
            percent=_rounded(100 * now.share),
            video_seconds=_rounded(now.video_s),
            video_seconds_total=_rounded(now.total_s),
            frames_per_s=_rounded(now.frames_per_s),
            rate_x=_rounded(now.rate_x),
            eta_s=_rounded(now.left_s),
            under_way=[
                {
                    "path": video.name,
                    "percent": None if video.share is None else _rounded(100 * video.share),
                    "video_seconds": _rounded(video.position_s),
                    "faces": video.faces,
                }
                for video in now.under_way
            ],
        )

    def _show_ending(self, name: str, status: str, facts: dict[str, Any]) -> None:
        self._write("video", path=name, status=status, **facts)

    def _show_end(self, now: RunProgress) -> None:
        """Print {"event": "end"}, the last line."""
        seconds = now.elapsed_s
        counts = {
            "videos": now.videos,
            "statuses": now.statuses,
            "skipped": now.skipped,
            "left": now.videos - now.ended,
            "frames": now.frames,
            "faces": now.faces,
            "seconds": _rounded(seconds),
            "video_seconds": _rounded(now.video_s),
            "frames_per_s": _rounded(now.frames / seconds if seconds else 0.0),
            "rate_x": _rounded(now.video_s / seconds if seconds else 0.0),
        }
        self._write("end", **counts | self._facts)

    def _write(self, event: str, **facts: Any) -> None:
        with self._lock:
            self._put(json.dumps({"event": event, **facts}) + "\n")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
