"""The resolved settings of a run: those that change its numbers, and those that change only its speed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

MAX_PIXELS: Final = 120_000_000
"""Default limit: more than the 108 million of large cameras and three times 8K; .4 GB as RGB."""

CACHE_BYTES: Final = 20_000_000_000
"""Default limit of videos that are copied from object storage ahead of their turn; at most half of what is free."""

Quality = Literal["max", "balanced", "fast"]

StillFiles = Literal["each", "folder"]
"""What has a results file of its own: each picture, or each folder of pictures."""

DETECT_INTERVAL_S: dict[Quality, float] = {"max": 0.2, "balanced": 0.2, "fast": 0.4}
"""Seconds between detection frames, for each quality."""

MAX_DETECT_EVERY: dict[Quality, int | None] = {"max": 4, "balanced": None, "fast": None}
"""Most frames between detection frames, for each quality."""


@dataclass(frozen=True, slots=True)
class DetectionInterval:
    """Distance from one detection frame to the next: `seconds`, or `frames` where these are fewer."""

    frames: int | None = None
    """Most frames; None: any number."""
    seconds: float | None = None
    """Time; None: any."""

    def frames_at(self, rate: Fraction) -> int:
        """Return the distance in frames, at least 1, in a video of `rate` frames a second throughout."""
        by_time = None if self.seconds is None else max(1, round(self.seconds * float(rate)))
        return min(limit for limit in (self.frames, by_time) if limit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferSettings:
    """All settings but the inputs, the model and the output folder."""

    quality: Quality = "balanced"
    engine: str = "onnxruntime"
    precision: str = "f32"
    device: str = "cpu"
    detect_every: int | None = None
    """Detect faces on every K-th frame; by default as `quality` says."""
    max_faces: int | None = None
    image_rate: Fraction = Fraction(30)
    """Pictures a second of folders of numbered pictures, and of TIFF files of several pages."""
    max_pixels: int = MAX_PIXELS
    """Pixels of the largest picture that is decoded."""
    keep_members: bool = False
    features: bool = False
    """Store each face's features."""
    baseline_percentile: float | None = None
    quality_weighted: bool = False
    """Weigh frames by the face's quality where they are smoothed."""
    split_s: float | None = None
    """Length of the sections in which long videos are done; None: as a whole. The results are the same."""
    aligned: str | None = None
    """Template that the pictures, which are aligned crops, follow; None: faces are searched for."""

    @property
    def detection_interval(self) -> DetectionInterval:
        """Distance from one detection frame to the next."""
        if self.aligned is not None:
            return DetectionInterval(frames=1)  # every picture has its face
        if self.detect_every is not None:
            return DetectionInterval(frames=self.detect_every)
        return DetectionInterval(MAX_DETECT_EVERY[self.quality], DETECT_INTERVAL_S[self.quality])

    def numbers(self) -> dict[str, Any]:
        """Return the settings that change results, as JSON values; they are part of every run digest."""
        return {
            "engine": self.engine,
            "precision": self.precision,
            **self._detection(),
            "max_faces": self.max_faces,
            "image_rate": str(self.image_rate),
            "keep_members": self.keep_members,
            "baseline_percentile": self.baseline_percentile,
            **({"features": True} if self.features else {}),
            **({"quality_weighted": True} if self.quality_weighted else {}),
        }

    def _detection(self) -> dict[str, Any]:
        if self.aligned is not None:
            return {"aligned": self.aligned}
        return {
            "detect_every": self.detect_every,
            "detect_interval_s": None if self.detect_every else DETECT_INTERVAL_S[self.quality],
            "detect_every_max": None if self.detect_every else MAX_DETECT_EVERY[self.quality],
        }
