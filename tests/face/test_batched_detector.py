"""Gathering of pictures for a detector that takes many at once."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import Future
from fractions import Fraction

import pytest

from autrt.errors import EngineError
from autrt.face.batched_detector import BatchedDetector


class Picture:
    """A picture that may be referred to weakly."""


class FakeDetector:
    """Gives each picture back as its detections; notes how many came together."""

    def __init__(self) -> None:
        self.together: list[int] = []
        self.broken = False

    def submit_all(self, pictures):
        if self.broken:
            raise EngineError("closed")
        self.together.append(len(pictures))
        found = [Future() for _ in pictures]
        for future, (picture, aspect) in zip(found, pictures, strict=True):
            future.set_result((id(picture), aspect))
        return found


def test_pictures_are_searched_once_they_are_enough_or_one_is_waited_for() -> None:
    detector = FakeDetector()
    batched = BatchedDetector(detector, 3)
    pictures = [Picture() for _ in range(8)]
    found = [batched.submit(picture, Fraction(i + 1)) for i, picture in enumerate(pictures)]
    assert detector.together == [3, 3]
    assert found[4].result() == (id(pictures[4]), 5)
    assert detector.together == [3, 3]
    assert [future.result() for future in found] == [(id(p), i + 1) for i, p in enumerate(pictures)]
    assert detector.together == [3, 3, 2]
    batched.submit(pictures[0]).result()
    assert detector.together == [3, 3, 2, 1]


def test_an_error_is_every_picture_s() -> None:
    detector = FakeDetector()
    batched = BatchedDetector(detector, 3)
    found = [batched.submit(Picture()) for _ in range(2)]
    detector.broken = True
    for future in found:
        with pytest.raises(EngineError, match="closed"):
            future.result()


def test_pictures_are_let_go_while_their_detections_are_kept() -> None:
    batched = BatchedDetector(FakeDetector(), 2)
    pictures = [Picture(), Picture()]
    gone = [weakref.ref(picture) for picture in pictures]
    gc.disable()
    try:
        found = [batched.submit(picture) for picture in pictures]
        del pictures
        assert all(reference() is None for reference in gone)
    finally:
        gc.enable()
    assert all(future.done() for future in found)
