"""Drawing of faces, tracks and Action Units on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import cv2
import numpy as np

from autrt.overlay.faces import Face
from autrt.results.summaries.text import clock
from autrt.types import F32, U8

COLOURS: Final = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0),
)  # fmt: skip
"""RGB of people, in turn, or of tracks whose person is unsure: Okabe and Ito's palette for colour-blind people."""

_WHITE: Final = (245, 245, 245)
_GREY: Final = (150, 150, 150)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_BLUR_MARGIN: Final = 0.3
_BLUR_CELLS: Final = 6
"""Cells on a blurred face's longer side: too few to recognise anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """What is drawn, and how large."""

    aus: tuple[str, ...]
    thresholds: tuple[float, ...]
    scale: float
    """1 for a picture of 720 rows."""
    active_only: bool
    """Bars of the active AUs alone, where many faces are seen at once."""

    def px(self, size: float) -> int:
        """Return a size in pixels, given that for 720 rows; at least 1."""
        return max(1, round(size * self.scale))


def draw_faces(picture: U8, faces: Sequence[Face], time_s: float, pen: Pen) -> None:
    """Draw boxes, landmarks, people, AU bars and the time on a (height, width, 3) uint8 RGB picture."""
    for face in faces:
        colour = COLOURS[(face.track if face.person < 0 else face.person) % len(COLOURS)]
        x0, y0, x1, y1 = (round(float(v)) for v in face.box)
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, pen.px(2), cv2.LINE_AA)
        for x, y in face.landmarks.tolist():
            cv2.circle(picture, (round(x), round(y)), pen.px(2.5), colour, -1, cv2.LINE_AA)
        _text(picture, label(face), (x0, y0 - pen.px(6)), colour, pen)
        _bars(picture, face, colour, pen)
    _text(picture, clock(time_s), (pen.px(12), picture.shape[0] - pen.px(14)), _WHITE, pen)


def label(face: Face) -> str:
    """Return the text above a face: its person, where that is known, its track and its quality."""
    parts = [f"person {face.person}"] if face.person >= 0 else []
    parts += [f"track {face.track}"]
    parts += [] if face.quality is None else [f"quality {face.quality:.2f}"]
    return ", ".join(parts)


def blur_faces(picture: U8, boxes: Sequence[F32]) -> None:
    """Make the faces in these boxes, and a margin, a mosaic of a few cells, in place."""
    for box in boxes:
        margin = _BLUR_MARGIN * float((box[2:] - box[:2]).max())
        x0, y0 = np.floor(box[:2] - margin).astype(int).clip(0).tolist()
        x1, y1 = np.ceil(box[2:] + margin).astype(int).tolist()
        part = picture[y0:y1, x0:x1]
        if not part.size:
            continue
        height, width = part.shape[:2]
        cell = max(height, width) / _BLUR_CELLS
        small = cv2.resize(
            part, (max(1, round(width / cell)), max(1, round(height / cell))), interpolation=cv2.INTER_AREA
        )
        part[:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def _bars(picture: U8, face: Face, colour: tuple[int, int, int], pen: Pen) -> None:
    """Draw a row for each AU beside the box, where there is room: its name, its probability, its threshold."""
    shown = [a for a in range(len(pen.aus)) if face.active[a] or not pen.active_only]
    if not shown:
        return
    row, name, bar = pen.px(17), pen.px(52), pen.px(80)
    width, height = name + bar + pen.px(14), row * len(shown) + pen.px(8)
    x, y = _place(picture, face, width, height, pen)
    panel = picture[y : y + height, x : x + width]
    panel[:] = panel // 3
    for i, a in enumerate(shown):
        top = y + pen.px(4) + i * row
        active = bool(face.active[a])
        left, bottom = x + name, top + row - pen.px(4)
        _text(picture, pen.aus[a], (x + pen.px(6), bottom), _WHITE if active else _GREY, pen)
        end = left + round(float(face.smoothed[a]) * bar)
        cv2.rectangle(picture, (left, top + pen.px(3)), (end, bottom), colour if active else _GREY, -1)
        mark = left + round(pen.thresholds[a] * bar)
        cv2.line(picture, (mark, top + pen.px(1)), (mark, bottom + pen.px(2)), _WHITE, 1)


def _place(picture: U8, face: Face, width: int, height: int, pen: Pen) -> tuple[int, int]:
    """Return the top left corner of a panel: right of the box, else left of it, within the picture."""
    rows, columns = picture.shape[:2]
    x0, y0, x1, _ = (round(float(v)) for v in face.box)
    x = x1 + pen.px(8)
    if x + width > columns:
        x = x0 - pen.px(8) - width
    if x < 0:
        x = columns - width
    return max(0, x), max(0, min(y0, rows - height))


def _text(picture: U8, text: str, at: tuple[int, int], colour: tuple[int, int, int], pen: Pen) -> None:
    size = 0.48 * pen.scale
    width, edge = pen.px(1), pen.px(1)
    for dx, dy in product((-edge, edge), repeat=2):  # thicker letters would be wider in OpenCV 5
        cv2.putText(picture, text, (at[0] + dx, at[1] + dy), _FONT, size, (20, 20, 20), width, cv2.LINE_AA)
    cv2.putText(picture, text, at, _FONT, size, colour, width, cv2.LINE_AA)
