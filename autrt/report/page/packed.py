"""Data within a page: JSON or text, compressed by gzip, in base64."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from autrt.report.content import VideoContent

_MOST_LOST = 200
"""Places of losses, and of gaps and damage, that are marked in a timeline."""


def packed(text: str) -> str:
    """Return a text as the page's script unpacks it; equal for equal texts."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def timeline_data(video: VideoContent) -> dict[str, Any]:
    """Return what the script draws, as JSON values; times are in seconds."""
    line = video.timeline
    times = [round(t, 3) for t in line.times_s.tolist()]
    return {
        "times": times,
        "range": [min(0.0, times[0]), max(times[-1], times[0] + 0.1)] if times else [0, 1],
        "aus": [{"name": row.au, "threshold": round(row.threshold, 4)} for row in video.aus],
        "lanes": [
            {
                "tracks": [
                    [f"track {track}" if person < 0 else f"person {person} · track {track}", round(start, 3)]
                    for (track, start, _), person in zip(lane.tracks, lane.people, strict=True)
                ],
                "values": base64.b64encode(lane.values.tobytes()).decode(),
            }
            for lane in line.lanes
        ],
        "gaps": line.gaps[:_MOST_LOST],
        "damaged": line.damaged[:_MOST_LOST],
        "lost": [[round(time_s, 3), reason] for time_s, _, reason in video.losses[:_MOST_LOST]],
    }


def packed_timeline(video: VideoContent) -> str:
    """Return a video's timeline for the page."""
    return packed(json.dumps(timeline_data(video), separators=(",", ":")))
