"""Events as a project of BORIS: an observation a video, a subject a track, a behaviour an AU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from autrt.aus import AU_MEANING
from autrt.results.events.elan import annotation_text
from autrt.results.events.find import VideoEvents
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import unescape

PROJECT_FORMAT: Final = "7.0"
"""Version of the format; BORIS 7 and later open it."""


def write_boris(videos: Sequence[VideoEvents], target: Path) -> None:
    """Write a project file (`.boris`, JSON), whole or not at all.

    An AU is a state event: its onset starts it, its offset stops it; apex, peak and mean are the start's comment.
    The rule and the thresholds stand in each observation's description.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: the file cannot be written.
    """
    aus = list(dict.fromkeys(au for video in videos for au in video.aus))
    people = [v.person(track) for v in videos for track in sorted({event.track for event in v.events})]
    project = {
        "time_format": "hh:mm:ss",
        "project_date": max((video.finished_utc for video in videos), default="")[:19],
        "project_name": "autrt",
        "project_description": "Action Units found by autrt",
        "project_format_version": PROJECT_FORMAT,
        "subjects_conf": {str(i): _subject(name) for i, name in enumerate(people)},
        "behaviors_conf": {str(i): _behaviour(au) for i, au in enumerate(aus)},
        "observations": {video.video: _observation(video) for video in videos},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    with replacing(target) as part:
        text = json.dumps(project, ensure_ascii=False, indent=1) + "\n"
        # Lone surrogates are replaced by what is also their JSON escape.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def _subject(name: str) -> dict[str, str]:
    return {"key": "", "name": name, "description": "one face through one shot"}


def _behaviour(au: str) -> dict[str, Any]:
    empty = dict.fromkeys(("key", "color", "category", "excluded", "coding map"), "")
    return empty | {"type": "State event", "code": au, "description": AU_MEANING.get(au, ""), "modifiers": {}}


def _observation(video: VideoEvents) -> dict[str, Any]:
    file = unescape(video.video)
    return {
        "file": {"1": [file], **{str(player): [] for player in range(2, 9)}},
        "type": "MEDIA",
        "date": video.finished_utc[:19],
        "description": f"autrt, {video.model}; {json.dumps(video.parameters(), ensure_ascii=False)}",
        "time offset": 0.0,
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {file: round(video.duration_s, 3)},
            "fps": {file: video.rate_hz},
            "hasVideo": {file: True},
            "hasAudio": {file: False},
            "offset": {"1": 0.0},
        },
        "events": sorted(_rows(video), key=lambda row: row[0]),
    }


def _rows(video: VideoEvents) -> list[list[Any]]:
    """Return time in s, subject, behaviour, modifier, comment and frame of each start and stop."""
    return [
        [round(time_s, 3), video.person(event.track), event.au, "", comment, frame]
        for event in video.events
        for time_s, comment, frame in (
            (event.onset_s, annotation_text(event), event.onset_frame),
            (event.offset_s, "", event.offset_frame),
        )
    ]
