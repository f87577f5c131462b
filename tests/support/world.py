"""A scripted world for the tracker: frames that know their number, and a detector that knows the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autrt.template import ARCFACE_112
from autrt.types import Detections, Frame

WIDTH, HEIGHT = 640, 360


@dataclass
class Picture:
    """Just enough of an Image: its frame's number and a flat colour per scene."""

    number: int
    scene: int = 0
    width: int = WIDTH
    height: int = HEIGHT

    def thumbnail(self, width: int, height: int) -> np.ndarray:
        texture = np.random.default_rng(self.scene).integers(0, 255, (height, width, 3))
        return texture.astype(np.uint8)


@dataclass
class Person:
    """A face of a side, moving by a rule, seen in some frames."""

    x: Callable[[int], float]
    y: float = 150.0
    side: float = 80.0
    seen: Callable[[int], bool] = lambda number: True
    score: float = 0.9

    def box(self, number: int) -> np.ndarray:
        return np.array([self.x(number), self.y, self.x(number) + self.side, self.y + self.side], np.float32)

    def landmarks(self, number: int) -> np.ndarray:
        return (ARCFACE_112 / 112 * self.side + [self.x(number), self.y]).astype(np.float32)


class Oracle:
    """A FaceDetector that reads the script, and counts how often it was asked."""

    digest = "oracle"

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = people
        self.asked: list[int] = []

    def submit(self, image: Picture, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        self.asked.append(image.number)
        here = [p for p in self.people if p.seen(image.number)]
        future: Future[Detections] = Future()
        future.set_result(
            Detections(
                np.array([p.box(image.number) for p in here], np.float32).reshape(-1, 4),
                np.array([p.landmarks(image.number) for p in here], np.float32).reshape(-1, 5, 2),
                np.array([p.score for p in here], np.float32),
            )
        )
        return future


def film(length: int, rate: float = 30.0, scene: Callable[[int], int] = lambda number: 0) -> list[Frame]:
    """Frames 0…length−1."""
    return [Frame(i, i, i / rate, Picture(i, scene(i))) for i in range(length)]
