"""Coarse-to-fine detection: large faces are found on a small canvas, at a fraction of the cost."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autrt.face.detect import CenterFace, Letterbox
from autrt.types import Detections, Image

TRACE_SCORE = 0.1
"""Score on the coarse canvas from which something may be a face: a clear one, or one for the fine canvas."""


# The names of this class and its fields enter the detector's digest.
@dataclass(frozen=True, slots=True)
class Clear:
    """Conditions under which a face's landmarks are no less steady on the coarse canvas than on a finer one."""

    score: float = 0.5
    side_px: float = 32.0

    def holds(self, found: Detections, box: Letterbox) -> bool:
        """Return whether there is a detection, and all of them are clear.

        Args:
            found: detections in picture pixels, those of low score included.
            box: the picture's place on the canvas.
        """
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]) * np.array([box.scale_x, box.scale_y], np.float32)
        clear = (found.score >= self.score) & (np.sqrt(np.prod(sides, axis=1)) >= self.side_px)
        return len(found) > 0 and bool(clear.all())


CLEAR = Clear()


class CoarseToFine:
    """A `FaceDetector` that searches the fine canvas only where the coarse one shows anything but clear faces.

    Where the coarse canvas shows nothing at all, the fine one is searched too. A face that leaves no trace on the
    coarse canvas while another one there is clear is not found.

    Args:
        coarse: the fast detector; it must keep detections from `TRACE_SCORE`.
        fine: the slower, more sensitive one.
    """

    def __init__(self, coarse: CenterFace, fine: CenterFace) -> None:
        self._coarse = coarse
        self._fine = fine

    @property
    def digest(self) -> str:
        """Digests of both detectors."""
        return f"{self._coarse.digest} {self._fine.digest}"

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start detecting faces in one picture; the result is in that picture's pixels."""
        detections: Future[Detections] = Future()
        box = self._coarse.letterbox(image, pixel_aspect)

        def accept_or_refine(coarse: Future[Detections]) -> None:
            try:
                found = coarse.result()
                if CLEAR.holds(found, box):
                    detections.set_result(found)
                else:
                    self._fine.submit(image, pixel_aspect).add_done_callback(pass_on)
            except BaseException as error:
                detections.set_exception(error)

        def pass_on(fine: Future[Detections]) -> None:
            error = fine.exception()
            if error is not None:
                detections.set_exception(error)
            else:
                detections.set_result(fine.result())

        self._coarse.submit(image, pixel_aspect).add_done_callback(accept_or_refine)
        return detections

    def close(self) -> None:
        """Close both detectors; the coarse one first, since its callbacks may still submit to the fine one."""
        self._coarse.close()
        self._fine.close()
