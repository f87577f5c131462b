"""Detections of many pictures at once, as a GPU is best used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from fractions import Fraction
from functools import partial

from autrt.face.detect import Letterbox, pass_on
from autrt.face.detection_schedule import FastDetector
from autrt.types import Detections, FaceDetector, Image


class BatchedDetector:
    """A `FaceDetector` that gathers one video's pictures until they are enough, or one's faces are waited for.

    Args:
        detector: takes the gathered pictures; still to be closed by who opened it.
        size: pictures that are enough.
        letterbox: that of `detector`, if it is a `FastDetector`.
    """

    def __init__(
        self,
        detector: FaceDetector | FastDetector,
        size: int,
        letterbox: Callable[[Image, Fraction], Letterbox] | None = None,
    ) -> None:
        self._detector, self._size, self._letterbox = detector, size, letterbox
        self._lock = threading.Lock()
        self._open: list[_Picture] = []

    def letterbox(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Letterbox:
        """Return the picture's place on the canvas."""
        assert self._letterbox is not None
        return self._letterbox(image, pixel_aspect)

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start detecting faces in one picture, or wait for more of them; the result is in its pixels."""
        with self._lock:
            batch = self._open
            found = _Waited(partial(self._run_if_open, batch))
            batch.append((image, pixel_aspect, found))
            full = len(batch) >= self._size
            if full:
                self._open = []
        if full:
            self._run(batch)
        return found

    def _run_if_open(self, batch: list[_Picture]) -> None:
        with self._lock:
            if self._open is not batch:
                return
            self._open = []
        self._run(batch)

    def submit_all(self, pictures: Sequence[tuple[Image, Fraction]]) -> list[Future[Detections]]:
        """Start detecting faces in pictures."""
        return [self.submit(image, aspect) for image, aspect in pictures]

    @property
    def digest(self) -> str:
        """Digest of the detector."""
        return getattr(self._detector, "digest", "")

    def close(self) -> None:
        """Leave the detector open."""

    def _run(self, batch: list[_Picture]) -> None:
        try:
            started = self._detector.submit_all([(image, aspect) for image, aspect, _ in batch])
            for (_, _, found), one in zip(batch, started, strict=True):
                one.add_done_callback(partial(pass_on, found))
        except BaseException as error:
            for _, _, found in batch:
                found.set_exception(error)
        batch.clear()  # the futures refer to it: it must not keep the pictures


class _Waited(Future[Detections]):
    """A future whose batch starts, at the latest, when it is waited for."""

    def __init__(self, start: Callable[[], None]) -> None:
        super().__init__()
        self._start = start

    def result(self, timeout: float | None = None) -> Detections:
        if not self.done():
            self._start()
        return super().result(timeout)


_Picture = tuple[Image, Fraction, _Waited]
