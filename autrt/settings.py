"""The settings of an `infer` run, resolved: what decides its numbers and what only its speed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Quality = Literal["max", "balanced", "fast"]

DETECT_INTERVAL_S: dict[Quality, float] = {"max": 0.2, "balanced": 0.2, "fast": 0.4}
"""Time between detection frames of each preset."""

MAX_DETECT_EVERY: dict[Quality, int | None] = {"max": 4, "balanced": None, "fast": None}
"""Frames between detection frames that a preset never exceeds."""


@dataclass(frozen=True, slots=True)
class InferSettings:
    """Everything but the inputs, the model and where results go."""

    quality: Quality = "balanced"
    engine: str = "onnxruntime"
    precision: str = "f32"
    device: str = "cpu"
    detect_every: int | None = None
    """Search for faces on every K-th frame; by default what `quality` says."""
    max_faces: int | None = None
    image_rate: Fraction = Fraction(30)
    """Pictures a second of image folders."""
    keep_members: bool = False
    baseline_percentile: float | None = None

    def detection_interval(self, rate: Fraction) -> int:
        """K for a video of `rate` frames a second: frames from one detection frame to the next, at least 1."""
        if self.detect_every is not None:
            return self.detect_every
        most = MAX_DETECT_EVERY[self.quality]
        wanted = max(1, round(DETECT_INTERVAL_S[self.quality] * float(rate)))
        return wanted if most is None else min(most, wanted)

    def numbers(self) -> dict[str, Any]:
        """The settings that change results, as plain JSON values; part of every run digest."""
        return {
            "engine": self.engine,
            "precision": self.precision,
            "detect_every": self.detect_every,
            "detect_interval_s": None if self.detect_every else DETECT_INTERVAL_S[self.quality],
            "detect_every_max": None if self.detect_every else MAX_DETECT_EVERY[self.quality],
            "max_faces": self.max_faces,
            "image_rate": str(self.image_rate),
            "keep_members": self.keep_members,
            "baseline_percentile": self.baseline_percentile,
        }
