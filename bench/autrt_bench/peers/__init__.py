"""Other programs that recognise faces or facial movements in video, each in an environment of its own.

A new one is a script here, which the environment's interpreter runs over a clip, and an entry in `PEERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.download.fetch import RemoteFile, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another program."""

    name: str
    requirements: tuple[str, ...]
    """Requirements that pip installs."""
    script: Path
    """`python SCRIPT CLIP FILE` prints one JSON object: event "done", frames, faces, seconds, version."""
    file: RemoteFile
    """Weights that the program needs."""


PEERS: Final = (
    Peer(
        name="mediapipe",
        requirements=("mediapipe==1.2.3",),
        script=Path(__file__).with_name("mediapipe_clip.py"),
        file=RemoteFile(
            name="face-landmarker",
            filename="face_landmarker.task",
            size_bytes=3_758_596,
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            licence="Apache-2.0",
            about="MediaPipe Face Landmarker, float16, version 1: detector, 478 landmarks, 52 blendshapes",
            sources=(
                Url(
                    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
                    "face_landmarker.task"
                ),
            ),
        ),
    ),
)
