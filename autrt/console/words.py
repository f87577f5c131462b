"""Texts of numbers and names, as short as they can be read."""

from __future__ import annotations

from typing import Any

from tqdm.utils import disp_len, disp_trim

from autrt.console.progress import Snapshot


def duration(seconds: float) -> str:
    """Such as 7 s, 4:31 or 13:02:45."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def percent(share: float, digits: int = 1) -> str:
    """Rounded down, so that 100 % is the whole."""
    scale = 10**digits
    return f"{int(share * 100 * scale + 1e-6) / scale:.{digits}f} %"


def number(value: float) -> str:
    """Two or three digits that matter."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def shortened(name: str, columns: int) -> str:
    """A name in so many columns of the screen: its middle gives way, for names differ at their ends."""
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


def speeds(now: Snapshot) -> list[str]:
    """Speed and time left, as far as they are known."""
    told = [f"{number(now.frames_per_s)} frames/s"] if now.frames else []
    told += [f"{number(now.rate_x)} × real time"] if now.total_s is not None and now.frames else []
    known = now.left_s is not None and now.ended < now.videos
    return told + ([f"{duration(now.left_s or 0.0)} left"] if known else [])


def counts(now: Snapshot) -> str:
    """Such as 12/40 videos."""
    return f"{now.ended}/{now.videos} videos"


def ending_line(name: str, status: str, facts: dict[str, Any]) -> str:
    """One video's ending in one line."""
    told = ""
    if facts.get("frames"):
        told = f" {facts['frames']} frames, {facts.get('faces', 0)} faces in {facts.get('tracks', 0)} tracks"
        seconds = facts.get("seconds") or 0
        told += f", {facts['frames'] / seconds:.0f} frames/s" if seconds else ""
    reason = f" {facts['reason']}" if facts.get("reason") else ""
    return f"{status:8}{name}:{told}{';' if told and reason else ''}{reason}"
