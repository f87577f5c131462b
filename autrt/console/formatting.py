"""Short texts for durations, shares, speeds and names."""

from __future__ import annotations

from typing import Any

from tqdm.utils import disp_len, disp_trim

from autrt.console.progress import RunProgress


def duration(seconds: float) -> str:
    """Return a duration such as 7 s, 4:31 or 13:02:45."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def size(n_bytes: float) -> str:
    """Return a size such as 0 kB, 316 kB, 24 MB or 1.7 GB."""
    if n_bytes < 1e6:
        return f"{n_bytes / 1e3:.0f} kB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as percent, rounded down, so that 100 % is the whole."""
    scale = 10**digits
    return f"{int(share * 100 * scale + 1e-6) / scale:.{digits}f} %"


def number(value: float) -> str:
    """Return a number with two or three significant digits."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def shortened(name: str, columns: int) -> str:
    """Return a name cut to a number of columns; the middle is left out, as names differ at their ends."""
    if disp_len(name) <= columns:
        return name
    if columns < 5:
        return disp_trim(name, max(0, columns))
    head = disp_trim(name, (columns - 1) // 3)
    room = columns - 1 - disp_len(head)
    tail = name
    while disp_len(tail) > room:
        tail = tail[1:]
    return f"{head}…{tail}"


def speeds(now: RunProgress) -> list[str]:
    """Return texts of the speed and the remaining time, as far as they are known."""
    parts = [f"{number(now.frames_per_s)} frames/s"] if now.frames else []
    parts += [f"{number(now.rate_x)} × real time"] if now.total_s is not None and now.frames else []
    known = now.left_s is not None and now.ended < now.videos
    return parts + ([f"{duration(now.left_s or 0.0)} left"] if known else [])


def faces(n: int) -> str:
    """Return a number of faces, such as 12,345 faces."""
    return f"{n:,} face{'' if n == 1 else 's'}"


def counts(now: RunProgress) -> str:
    """Return the count of videos, such as 12/40 videos."""
    return f"{now.ended}/{now.videos} videos"


def ending_line(name: str, status: str, facts: dict[str, Any]) -> str:
    """Return a line about the end of a video.

    Args:
        name: of the video.
        status: ok, partial, failed, stopped or skipped.
        facts: `reason`, and counts such as `frames`.
    """
    counted = ""
    if facts.get("frames"):
        counted = (
            f" {facts['frames']} frames, {facts.get('faces', 0)} faces in {facts.get('tracks', 0)} tracks"
        )
        seconds = facts.get("seconds") or 0
        counted += f", {facts['frames'] / seconds:.0f} frames/s" if seconds else ""
    reason = f" {facts['reason']}" if facts.get("reason") else ""
    return f"{status:8}{name}:{counted}{';' if counted and reason else ''}{reason}"
