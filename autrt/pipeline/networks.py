"""The networks that all videos of a process share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction

from autrt.engine.batcher import CropBatcher
from autrt.engine.memory import HostMemory
from autrt.face.batched_detector import BatchedDetector
from autrt.face.detect import Letterbox
from autrt.face.detection_schedule import DetectionSchedule, FastDetector
from autrt.pipeline.look_ahead import ON_DEVICE, ON_HOST, LookAhead
from autrt.postprocess.temporal import TickNetwork
from autrt.types import F32, Detections, FaceDetector, Image, VideoInfo

LARGE_FRAME_PX = 960
"""Longer side above which frames are searched on larger canvases, so that the same faces are found in them."""


class AbsentDetector:
    """The detector of runs over aligned crops, which search for nothing: using it is a mistake of the program."""

    digest = "none"

    def letterbox(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Letterbox:
        """Raise."""
        raise RuntimeError("aligned crops are not searched for faces")

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Raise."""
        raise RuntimeError("aligned crops are not searched for faces")

    def submit_all(self, pictures: Sequence[tuple[Image, Fraction]]) -> list[Future[Detections]]:
        """Raise."""
        raise RuntimeError("aligned crops are not searched for faces")

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Face detectors and the engines of the model's members."""

    detectors: Mapping[str, FaceDetector]
    """Detectors for whole frames: `small`, and `large` for frames of many pixels."""
    fast_detector: FastDetector
    """Detector that finds large faces in large frames again."""
    patch_detector: FaceDetector
    """Detector for patches, where a face is detected again."""
    batcher: CropBatcher
    template: F32
    """(5, 2) float32 crop pixels."""
    device: str = "cpu"
    """Device on which videos are decoded and crops computed: cpu or cuda:N."""
    temporal: TickNetwork | None = None
    """The model's temporal network, if it has one."""

    @property
    def look_ahead(self) -> LookAhead:
        """How far the stages of a video go ahead of each other."""
        return ON_HOST if isinstance(self.batcher.memory, HostMemory) else ON_DEVICE

    def schedule(self, info: VideoInfo) -> DetectionSchedule:
        """Return a new detection schedule for one video."""
        detector = self.frame_detector(info.width, info.height)
        fast = self.fast_detector if _is_large(info.width, info.height) else None
        together = self.look_ahead.detected_together
        if together == 1:
            return DetectionSchedule(detector, fast, info.pixel_aspect)
        fast = fast and BatchedDetector(fast, together, fast.letterbox)
        return DetectionSchedule(BatchedDetector(detector, together), fast, info.pixel_aspect)

    def frame_detector(self, width: int, height: int) -> FaceDetector:
        """Return the detector for whole frames of this size in pixels."""
        return self.detectors["large" if _is_large(width, height) else "small"]

    def close(self) -> None:
        """Close every engine."""
        for part in (*self.detectors.values(), self.patch_detector, self.batcher):
            part.close()


def _is_large(width: int, height: int) -> bool:
    return max(width, height) > LARGE_FRAME_PX
