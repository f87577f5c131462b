"""A quick look first: a face that fills much of a picture is found on a small canvas, at a fraction of the cost."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autrt.face.detect import CenterFace, Letterbox
from autrt.types import Detections, Image

TRACE_SCORE = 0.1
"""What scores as much on the coarse canvas may be a face: it is either a clear one, or looked at again."""


@dataclass(frozen=True, slots=True)
class Clear:
    """What a face on the coarse canvas needs for its landmarks to be no less steady there than on a finer one."""

    score: float = 0.5
    side_px: float = 32.0

    def holds(self, found: Detections, box: Letterbox) -> bool:
        """Whether a face was found, and every trace of one is clear."""
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]) * np.array([box.scale_x, box.scale_y], np.float32)
        clear = (found.score >= self.score) & (np.sqrt(np.prod(sides, axis=1)) >= self.side_px)
        return len(found) > 0 and bool(clear.all())


CLEAR = Clear()


class CoarseToFine:
    """A `FaceDetector` that looks at the fine canvas only where the coarse one shows anything but clear faces.

    Where the coarse canvas shows nothing at all, the fine one is looked at too. A face that leaves no trace on the
    coarse canvas while another one there is clear is not found.

    Args:
        coarse: the quick detector; it must keep detections from `TRACE_SCORE`.
        fine: the other.
    """

    def __init__(self, coarse: CenterFace, fine: CenterFace) -> None:
        self._coarse = coarse
        self._fine = fine

    @property
    def digest(self) -> str:
        """Names the numbers: both detectors'."""
        return f"{self._coarse.digest} {self._fine.digest}"

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start looking at one picture; coordinates of the result are that picture's pixels."""
        told: Future[Detections] = Future()
        box = self._coarse.letterbox(image, pixel_aspect)

        def judge(quick: Future[Detections]) -> None:
            try:
                found = quick.result()
                if CLEAR.holds(found, box):
                    told.set_result(found)
                else:
                    self._fine.submit(image, pixel_aspect).add_done_callback(pass_on)
            except BaseException as error:
                told.set_exception(error)

        def pass_on(done: Future[Detections]) -> None:
            error = done.exception()
            told.set_exception(error) if error is not None else told.set_result(done.result())

        self._coarse.submit(image, pixel_aspect).add_done_callback(judge)
        return told

    def close(self) -> None:
        """Close both: the coarse one first, whose findings the fine one may still be asked about."""
        self._coarse.close()
        self._fine.close()
