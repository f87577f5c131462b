"""Which look each frame of one video gets: a thorough one, or a glance at faces that are known to be large.

In a large frame a thorough look costs several times what it takes to find a large face again. So large frames are
searched thoroughly once a second, for whoever is new; in between a glance at the smallest canvas is enough, as long
as it shows as many faces as the last thorough look found, all of them clearly.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from autrt.face.coarse_to_fine import CLEAR
from autrt.face.detect import Letterbox
from autrt.types import Detections, FaceDetector, Frame, Image

THOROUGH_S = 1.0
"""Time between thorough looks at a shot."""


class FastDetector(Protocol):
    """A quick `FaceDetector` that shrinks pictures onto a small canvas, such as a `CenterFace`."""

    def letterbox(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Letterbox:
        """How a picture lies on its canvas."""
        ...

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start looking at one picture."""
        ...


@dataclass(slots=True)
class PendingDetections:
    """A look under way. What may have to follow it is started by who waits, never by an engine's thread."""

    started: Future[Detections]
    settle: Callable[[Detections], Detections]
    """What was seen → what counts; may look again."""
    _found: Detections | None = None

    def result(self) -> Detections:
        """Wait for it."""
        if self._found is None:
            self._found = self.settle(self.started.result())
        return self._found


class DetectionSchedule:
    """The looks at one video.

    Args:
        detector: searches a frame thoroughly.
        glance: finds large faces again; None: every look is thorough.
        pixel_aspect: width over height of the frames' pixels.
    """

    def __init__(
        self, detector: FaceDetector, glance: FastDetector | None = None, pixel_aspect: Fraction = Fraction(1)
    ) -> None:
        self._detector, self._glance, self._pixel_aspect = detector, glance, pixel_aspect
        self._last: tuple[float, PendingDetections] | None = None
        """Time of the last regular look that was thorough, and that look."""

    def regular(self, frame: Frame, *, starts_shot: bool) -> PendingDetections:
        """Start looking at the next detection frame; to be called in order of time.

        Args:
            frame: to be looked at.
            starts_shot: whether it has nothing to do with the frames before.
        """
        if self._glance is None:
            return self.thorough(frame)
        if starts_shot or self._last is None or frame.time_s - self._last[0] >= THOROUGH_S:
            self._last = frame.time_s, self.thorough(frame)
            return self._last[1]
        known = self._last[1].result()
        return self._glanced(frame, known, lambda: self.thorough(frame).result()) or self.thorough(frame)

    def thorough(self, frame: Frame) -> PendingDetections:
        """Start searching any frame.

        Faces that a glance shows are told as it shows them: between two kinds of looks they would jump.
        """

        def settle(found: Detections) -> Detections:
            glanced = self._glanced(frame, found, lambda: found)
            return found if glanced is None else glanced.result()

        return PendingDetections(self._detector.submit(frame.image, self._pixel_aspect), settle)

    def _glanced(
        self, frame: Frame, known: Detections, otherwise: Callable[[], Detections]
    ) -> PendingDetections | None:
        """A glance at known faces, or `otherwise` where it doesn't show as many, all of them clearly.

        None where any of them is too small for a glance.
        """
        if self._glance is None:
            return None
        box = self._glance.letterbox(frame.image, self._pixel_aspect)
        if not CLEAR.holds(known, box):
            return None

        def settle(seen: Detections) -> Detections:
            return seen if len(seen) == len(known) and CLEAR.holds(seen, box) else otherwise()

        return PendingDetections(self._glance.submit(frame.image, self._pixel_aspect), settle)
