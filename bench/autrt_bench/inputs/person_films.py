"""Films of one person, and of two who follow each other by a cut, a dissolve or a dip to black.

They are made of pictures and clips that show one person each. The faces of both people lie in the same place,
so that their position tells nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

import av
import cv2
import numpy as np

from autrt.face.align import crop_matrix
from autrt.template import ARCFACE_112
from autrt.types import F32, F64, U8

WIDTH: Final = 480
HEIGHT: Final = 360
FRAMES_MAX: Final = 300
"""Frames that are taken of a clip."""

PIECE_FRAMES: Final = 360
"""Frames of a film that are in memory at a time."""

_EYES_PX: Final = 44.0
_PLACE: Final = (ARCFACE_112 - 56) * (_EYES_PX / 35) + np.array([WIDTH / 2, HEIGHT / 2])
"""(5, 2) landmarks of every face at rest, in pixels of the film."""

Kind = Literal["cut", "dissolve", "dip", "same backdrop"]

Landmarks = Callable[[U8], F32 | None]
"""Returns the (5, 2) landmarks of the largest face of a picture, in its pixels; None without one."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person's pictures in the size of the film, the face in its place."""

    name: str
    pictures: Sequence[U8]


def read_person(path: Path, landmarks: Landmarks) -> Person | None:
    """Return the person that a picture or a clip shows, or None where its first frames show no face."""
    matrix: F64 | None = None
    pictures: list[U8] = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            picture = cast("U8", frame.to_ndarray(format="rgb24"))
            if matrix is None:
                points = landmarks(picture)
                if points is not None:
                    matrix = crop_matrix(points, _PLACE.astype(np.float32))
            if matrix is not None:
                pictures.append(_warped(picture, matrix))
            if number >= FRAMES_MAX:
                break
    return Person(path.name, pictures) if pictures else None


def play(person: Person, rng: np.random.Generator) -> Iterator[U8]:
    """Yield frames for ever: a clip to and fro from a random place, all under a slow drift of the camera."""
    count = len(person.pictures)
    cycle = [*range(count), *range(count - 2, 0, -1)]
    start = int(rng.integers(len(cycle)))
    reach = 1.0 if count == 1 else 0.3
    phase, speed = rng.uniform(0, 6.28, 4), rng.uniform(0.02, 0.12, 4)
    for i in itertools.count():
        x, y, turn, scale = reach * np.sin(phase + speed * i)
        picture = person.pictures[cycle[(start + i) % len(cycle)]]
        yield _moved(picture, 8 * x, 6 * y, 0.08 * turn, 1 + 0.06 * scale)


def film_of_two(before: Sequence[U8], after: Sequence[U8], at: int, length: int, kind: Kind) -> list[U8]:
    """Return a film that changes from one person to another.

    Args:
        before: frames of the first person, `at + length` at least.
        after: frames of the second, as many as the film.
        at: first frame of the change.
        length: frames that are neither the one's nor the other's; 0 in cuts.
        kind: of the change; `same backdrop` is a cut that changes the head alone.
    """
    if kind == "same backdrop":
        return [*before[:at], *(_on_backdrop(before[0], picture) for picture in after[at:])]
    between = [
        _blend(before[at + i], after[at + i], (i + 1) / (length + 1), dip=kind == "dip")
        for i in range(length)
    ]
    return [*before[:at], *between, *after[at + length :]]


def disturbed(frames: Iterable[U8], rng: np.random.Generator, every: int = 90) -> Iterator[U8]:
    """Yield frames of one person, disturbed by exposure, flashes, shake, fast motion and hands before the face.

    A disturbance lasts until the end of a piece of `PIECE_FRAMES` at most.
    """
    remaining = iter(frames)
    while piece := list(itertools.islice(remaining, PIECE_FRAMES)):
        for start in range(every // 2, len(piece) - every // 2 + 1, every):
            event = _EVENTS[int(rng.integers(len(_EVENTS)))]
            event(piece, start, rng)
        yield from piece


def write_film(path: Path, frames: Iterable[U8], rate: int = 30) -> None:
    """Encode frames as H.264 at web quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))


def _exposure(frames: list[U8], start: int, rng: np.random.Generator) -> None:
    """Change the exposure within some frames, for good or for a second."""
    gain, ramp = float(rng.choice([0.35, 0.5, 1.6, 2.2])), int(rng.integers(1, 20))
    hold = 30 if rng.random() < 0.5 else len(frames)
    for i in range(start, min(start + hold, len(frames))):
        share = min(1.0, (i - start + 1) / ramp)
        frames[i] = _lit(frames[i], 1 + share * (gain - 1))


def _flash(frames: list[U8], start: int, rng: np.random.Generator) -> None:
    for i in range(start, min(start + int(rng.integers(1, 3)), len(frames))):
        frames[i] = _lit(frames[i], 1.5, 150)


def _shake(frames: list[U8], start: int, rng: np.random.Generator) -> None:
    for i in range(start, min(start + 12, len(frames))):
        x, y = rng.uniform(-14, 14, 2)
        frames[i] = _moved(frames[i], x, y, 0, 1)


def _fast_motion(frames: list[U8], start: int, rng: np.random.Generator) -> None:
    side, turn = rng.uniform(-60, 60), rng.uniform(-0.3, 0.3)
    for i in range(start, min(start + 24, len(frames))):
        share = float(np.sin((i - start) / 24 * np.pi))
        frames[i] = _moved(frames[i], side * share, 0, turn * share, 1 + 0.2 * share)


def _hand(frames: list[U8], start: int, rng: np.random.Generator) -> None:
    """Draw a hand that comes before the face, rests there, and goes."""
    skin = frames[start][HEIGHT // 2 : HEIGHT // 2 + 30, WIDTH // 2 - 20 : WIDTH // 2 + 20].mean((0, 1))
    goal = _PLACE[rng.integers(5)] + rng.uniform(-12, 12, 2)
    turn, length = float(rng.uniform(-60, 60)), int(rng.integers(14, 45))
    for i in range(start, min(start + length, len(frames))):
        share = min(1.0, (i - start + 1) / 5, (start + length - i) / 5)
        x, y = goal + (1 - share) * np.array([0, HEIGHT / 2])
        frames[i] = frames[i].copy()
        for finger in range(4):
            centre = (int(x + 15 * (finger - 1.5)), int(y))
            shade = (skin * (0.8 + 0.08 * finger)).tolist()
            cv2.ellipse(frames[i], centre, (8, 38), turn, 0, 360, shade, -1, cv2.LINE_AA)
        cv2.ellipse(frames[i], (int(x), int(y + 45)), (34, 30), turn, 0, 360, (skin * 0.9).tolist(), -1)


_EVENTS: Final = (_exposure, _flash, _shake, _fast_motion, _hand)


def _blend(a: U8, b: U8, share: float, *, dip: bool) -> U8:
    if dip:
        return _lit(a if share < 0.5 else b, abs(1 - 2 * share))
    return cast("U8", cv2.addWeighted(a, 1 - share, b, share, 0))


def _lit(picture: U8, gain: float, offset: float = 0) -> U8:
    return cast("U8", cv2.convertScaleAbs(picture, alpha=gain, beta=offset))


def _on_backdrop(backdrop: U8, picture: U8) -> U8:
    """Return the head of a picture before another one's backdrop."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(mask, (WIDTH // 2, HEIGHT // 2), (88, 118), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 6)[..., None]
    return (backdrop * (1 - mask) + picture * mask).astype(np.uint8)


def _warped(picture: U8, matrix: F64) -> U8:
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.5:
        picture = cast(
            "U8", cv2.resize(picture, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        )
        matrix = np.concatenate([matrix[:, :2] / (2 * scale), matrix[:, 2:]], 1)
    return _on_canvas(picture, matrix)


def _moved(picture: U8, x_px: float, y_px: float, turn: float, scale: float) -> U8:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), float(np.degrees(turn)), scale)
    matrix[:, 2] += x_px, y_px
    return _on_canvas(picture, matrix)


def _on_canvas(picture: U8, matrix: Any) -> U8:
    return cast("U8", cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))
