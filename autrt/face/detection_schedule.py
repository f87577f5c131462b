"""Choice of the detector for each frame of one video: the thorough one, or a fast one for large faces.

In a large frame a thorough detection costs several times what it takes to find a large face again. So large frames
are searched thoroughly once in each second of the video, for new faces; in between the fast detector is enough, as
long as it finds as many faces as the last thorough detection did, all of them clearly. Whole seconds count, not
those since the last thorough detection, so that nothing depends on where a shot began long before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from autrt.face.coarse_to_fine import CLEAR
from autrt.face.detect import Letterbox
from autrt.types import Detections, FaceDetector, Frame, Image

THOROUGH_S = 1.0
"""Periods of the video's time in each of which the first detection frame is searched thoroughly."""


class FastDetector(Protocol):
    """A fast `FaceDetector` that shrinks pictures onto a small canvas, such as a `CenterFace`."""

    def letterbox(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Letterbox:
        """Return the picture's place on the canvas."""
        ...

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start detecting faces in one picture; the result is in that picture's pixels."""
        ...

    def submit_all(self, pictures: Sequence[tuple[Image, Fraction]]) -> list[Future[Detections]]:
        """Start detecting faces in pictures; see `FaceDetector`."""
        ...


@dataclass(slots=True)
class PendingDetections:
    """A detection under way. Its follow-up runs in the thread that waits, never in an engine's."""

    started: Future[Detections]
    follow_up: Callable[[Detections], Detections]
    """Maps the detector's result to the final one; may run another detector."""
    _found: Detections | None = None

    def result(self) -> Detections:
        """Wait for the final detections and return them."""
        if self._found is None:
            self._found = self.follow_up(self.started.result())
            self.follow_up = _done  # which lets go of the picture
        return self._found


def _done(found: Detections) -> Detections:
    return found


class DetectionSchedule:
    """Starts the detections of one video.

    Args:
        detector: the thorough detector.
        fast_detector: finds large faces again; None: every detection is thorough.
        pixel_aspect: width over height of the frames' pixels.
    """

    def __init__(
        self,
        detector: FaceDetector,
        fast_detector: FastDetector | None = None,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self._detector, self._fast_detector, self._pixel_aspect = detector, fast_detector, pixel_aspect
        self.known: tuple[float, PendingDetections] | None = None
        """Time and detections of the last detection frame that was due to be searched thoroughly; None before the
        first, and where there is no fast detector."""

    def regular(self, frame: Frame, *, starts_shot: bool) -> PendingDetections:
        """Start detecting faces in the next detection frame; to be called in order of time.

        Args:
            frame: the frame.
            starts_shot: whether it is the first of a shot, so that no face is known yet.
        """
        if self._fast_detector is None:
            return self.thorough(frame)
        if starts_shot or self.known is None or _period(frame.time_s) > _period(self.known[0]):
            self.known = frame.time_s, self.thorough(frame)
            return self.known[1]
        known = self.known[1].result()
        return self._fast(frame, known, lambda: self.thorough(frame).result()) or self.thorough(frame)

    def thorough(self, frame: Frame) -> PendingDetections:
        """Start searching any frame thoroughly.

        Faces that the fast detector finds too are placed as it places them: their landmarks would jump between
        the two detectors otherwise.
        """

        def follow_up(found: Detections) -> Detections:
            fast = self._fast(frame, found, lambda: found)
            return found if fast is None else fast.result()

        return PendingDetections(self._detector.submit(frame.image, self._pixel_aspect), follow_up)

    def _fast(
        self, frame: Frame, known: Detections, otherwise: Callable[[], Detections]
    ) -> PendingDetections | None:
        """Start the fast detector, or return None where any known face is too small for it.

        `otherwise` gives the detections where it does not find as many faces as are known, all of them clearly.
        """
        if self._fast_detector is None:
            return None
        box = self._fast_detector.letterbox(frame.image, self._pixel_aspect)
        if not CLEAR.holds(known, box):
            return None

        def follow_up(found: Detections) -> Detections:
            return found if len(found) == len(known) and CLEAR.holds(found, box) else otherwise()

        return PendingDetections(self._fast_detector.submit(frame.image, self._pixel_aspect), follow_up)


def _period(time_s: float) -> int:
    return int(time_s // THOROUGH_S)
