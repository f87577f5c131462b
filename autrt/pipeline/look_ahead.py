"""How far the stages of a video's flow go ahead of each other; it decides memory and speed, never a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DETECTED_TOGETHER: Final = 8
"""Pictures in one batch of the face detector on a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAhead:
    """Limits of what waits between the stages."""

    in_flight_bytes: int
    """Pictures between decoder and alignment: an interval of the tracker's, and what must wait for it."""
    frames: int
    """Frames that the decoder is ahead of the tracker."""
    segments: int
    """Segments that the tracker is ahead of alignment."""
    detected_together: int
    """Pictures that are searched for faces at once, where they need not be waited for one by one."""
    detections: int
    """Detections that are started before those of an earlier frame are waited for."""
    detection_bytes: int
    """Pictures that the tracker reads ahead of an interval for them."""
    aligned_frames: int
    """Frames from which on their faces are cut out, all together."""
    aligned_bytes: int
    """Pictures from which on they are, however few frames."""


ON_HOST: Final = LookAhead(
    in_flight_bytes=96_000_000,
    frames=8,
    segments=4,
    detected_together=1,
    detections=2,
    detection_bytes=16_000_000,
    aligned_frames=1,
    aligned_bytes=1,
)

ON_DEVICE: Final = LookAhead(
    in_flight_bytes=800_000_000,
    frames=64,
    segments=32,
    detected_together=DETECTED_TOGETHER,
    detections=2 * DETECTED_TOGETHER,
    detection_bytes=200_000_000,
    aligned_frames=48,
    aligned_bytes=200_000_000,
)
"""What is done together takes as long as one alone. Alignment holds less than may be in flight beside what the
tracker holds, so that neither waits for the other."""
