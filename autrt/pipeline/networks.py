"""The networks that all videos of a process share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autrt.engine.batcher import CropBatcher
from autrt.face.detection_schedule import DetectionSchedule, FastDetector
from autrt.types import F32, FaceDetector, VideoInfo

LARGE_FRAME_PX = 960
"""Frames with a longer side are searched on larger canvases, so that the same faces are found in them."""


@dataclass(frozen=True, slots=True)
class Networks:
    """What a run's videos share."""

    detectors: Mapping[str, FaceDetector]
    """Detectors for whole frames: small, and large for pictures of many pixels."""
    glance: FastDetector
    """The quick detector with which large faces in large frames are found again."""
    second_look: FaceDetector
    """The detector for patches."""
    batcher: CropBatcher
    template: F32
    """(5, 2) float32 crop pixels."""
    device: str = "cpu"
    """Where videos are decoded and crops computed: cpu or cuda:N."""

    def looks(self, info: VideoInfo) -> DetectionSchedule:
        """How a video's frames are searched."""
        large = max(info.width, info.height) > LARGE_FRAME_PX
        return DetectionSchedule(
            self.detectors["large" if large else "small"], self.glance if large else None, info.pixel_aspect
        )

    def close(self) -> None:
        """Close every engine."""
        for part in (*self.detectors.values(), self.second_look, self.batcher):
            part.close()
