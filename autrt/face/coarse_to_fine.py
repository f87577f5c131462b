"""Coarse-to-fine detection: large faces are found on a small canvas, at a fraction of the cost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from autrt.face.detect import CenterFace, Letterbox, pass_on
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
        return self.submit_all([(image, pixel_aspect)])[0]

    def submit_all(self, pictures: Sequence[tuple[Image, Fraction]]) -> list[Future[Detections]]:
        """Start detecting faces in pictures: in all on the coarse canvas, then together on the fine one.

        Args:
            pictures: each with the width over height of its pixels.
        """
        found = [Future[Detections]() for _ in pictures]
        coarse = self._coarse.submit_all(pictures)
        running, lock = [len(coarse)], threading.Lock()

        def count_down(_: Future[Detections]) -> None:
            with lock:
                running[0] -= 1
                last = running[0] == 0
            if last:
                self._refine(pictures, coarse, found)

        for one in coarse:
            one.add_done_callback(count_down)
        return found

    def _refine(
        self,
        pictures: Sequence[tuple[Image, Fraction]],
        coarse: Sequence[Future[Detections]],
        found: Sequence[Future[Detections]],
    ) -> None:
        """Accept what is clear on the coarse canvas, and search the other pictures on the fine one."""
        unclear: list[int] = []
        for i, ((image, aspect), done, one) in enumerate(zip(pictures, coarse, found, strict=True)):
            if done.exception() or CLEAR.holds(done.result(), self._coarse.letterbox(image, aspect)):
                pass_on(one, done)
            else:
                unclear.append(i)
        try:
            fine = self._fine.submit_all([pictures[i] for i in unclear])
            for i, done in zip(unclear, fine, strict=True):
                done.add_done_callback(partial(pass_on, found[i]))
        except BaseException as error:
            for i in unclear:
                found[i].set_exception(error)

    def close(self) -> None:
        """Close both detectors; the coarse one first, since its callbacks may still submit to the fine one."""
        self._coarse.close()
        self._fine.close()
