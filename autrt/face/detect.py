"""CenterFace (Xu et al. 2019): faces and their 5 landmarks, through an Engine on one of a few letterbox canvases.

The network sees the whole picture shrunk onto a canvas. There are few canvases, because an engine is compiled for
each.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from autrt.types import F32, U8, Detections, Engine, Image

GRID = 16
"""Steps per pixel (and root of the steps per unit of score) to which results are rounded: far below the network's
accuracy, and far above the rounding by which processors and engines differ, so that they nearly always give the
very same crops."""

STRIDE_PX = 4
"""Canvas pixels per cell of the network's output maps."""

OUTPUTS = ("537", "538", "539", "540")
"""Names of the network's heatmap, scale, offset and landmark maps in the published ONNX file."""

CELLS = "cells"
"""Name of the output that stands for all maps where an engine gives their strongest cells alone: float32
(B, k, 17), in the order of the maps: their 15 channels, the row and the column of each."""

FRAME_CANVASES: dict[str, tuple[tuple[int, int], ...]] = {
    "coarse": ((96, 160), (160, 96), (128, 128)),
    "small": ((192, 320), (320, 192), (256, 256)),
    "large": ((384, 640), (640, 384), (512, 512)),
}
"""(height, width) of the wide, tall and square canvas, by the name of the set. Sides are multiples of 32."""

PATCH_CANVASES = ((128, 128),)
"""(height, width) of the canvas for patches, pictures of about twice a face's size."""


# The names of this class and its fields enter the detector's digest.
@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Settings that decide a detector's numbers."""

    canvases: tuple[tuple[int, int], ...] = FRAME_CANVASES["small"]
    """(height, width) of each canvas; a picture goes on the one that it fills best."""
    score_min: float = 0.3
    """Score below which detections are dropped; the tracker asks more of a new face."""
    nms_iou: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterbox:
    """A picture's place on its canvas: at the top left, shrunk by `scale_x` and `scale_y`."""

    canvas: tuple[int, int]
    """(height, width)."""
    width: int
    height: int
    scale_x: float
    scale_y: float

    @classmethod
    def fit(
        cls,
        width: int,
        height: int,
        canvases: Sequence[tuple[int, int]],
        pixel_aspect: Fraction = Fraction(1),
    ) -> Letterbox:
        """Return the place of a picture on the canvas that it fills best, once its pixels are square.

        Args:
            width: of the picture in pixels.
            height: of the picture in pixels.
            canvases: (height, width) of each.
            pixel_aspect: width over height of the picture's pixels.
        """
        square = width * float(pixel_aspect)

        def scale(canvas: tuple[int, int]) -> float:
            return min(canvas[0] / height, canvas[1] / square)

        canvas = max(canvases, key=scale)
        w = min(canvas[1], max(1, round(square * scale(canvas))))
        h = min(canvas[0], max(1, round(height * scale(canvas))))
        return cls(canvas=canvas, width=w, height=h, scale_x=w / width, scale_y=h / height)

    def draw(self, image: Image) -> U8:
        """Return the canvas as (1, height, width, 3) uint8 RGB, black where the picture ends."""
        out = np.zeros((1, *self.canvas, 3), np.uint8)
        out[0, : self.height, : self.width] = image.resized(self.width, self.height)
        return out

    def undo(self, xy: F32) -> F32:
        """Return canvas coordinates, whole at pixel edges, as picture coordinates, whole at pixel centres."""
        return (xy / np.array([self.scale_x, self.scale_y], np.float32) - 0.5).astype(np.float32)


Draw = Callable[[Sequence[Image], Sequence[Letterbox]], Any]
"""Draws n pictures on their canvases of one size: uint8 (n, height, width, 3) RGB, numpy's or torch's."""


def draw_each(images: Sequence[Image], boxes: Sequence[Letterbox]) -> U8:
    """Draw pictures on their canvases of one size, one by one."""
    return np.concatenate([box.draw(image) for image, box in zip(images, boxes, strict=True)])


def pass_on(to: Future[Detections], done: Future[Detections]) -> None:
    """Give a future the result, or the error, of another one."""
    error = done.exception()
    if error is not None:
        to.set_exception(error)
    else:
        to.set_result(done.result())


class CenterFace:
    """A `FaceDetector`. Safe to call from several threads; an engine is opened when its canvas is first used.

    Args:
        open_engine: opens the Engine of a canvas (height, width); called once per canvas, by one thread at a time.
        network_digest: SHA-256 of the network file.
        settings: canvas size and thresholds.
    """

    def __init__(
        self,
        open_engine: Callable[[tuple[int, int]], Engine],
        network_digest: str,
        settings: DetectorSettings | None = None,
    ) -> None:
        self._settings = settings or DetectorSettings()
        self._open_engine = open_engine
        self._network_digest = network_digest
        self._engines: dict[tuple[int, int], Engine] = {}
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """Digest of network, canvases and thresholds."""
        return detector_digest(self._network_digest, self._settings)

    def letterbox(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Letterbox:
        """Return the picture's place on its canvas."""
        return Letterbox.fit(image.width, image.height, self._settings.canvases, pixel_aspect)

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start detecting faces in one picture; the result is in that picture's pixels."""
        return self.submit_all([(image, pixel_aspect)])[0]

    def submit_all(self, pictures: Sequence[tuple[Image, Fraction]]) -> list[Future[Detections]]:
        """Start detecting faces in pictures, as many at once as the canvases' engines take.

        Args:
            pictures: each with the width over height of its pixels.
        """
        found = [Future[Detections]() for _ in pictures]
        boxes = [self.letterbox(image, aspect) for image, aspect in pictures]
        groups: dict[tuple[tuple[int, int], Draw], list[int]] = {}
        for i, ((image, _), box) in enumerate(zip(pictures, boxes, strict=True)):
            groups.setdefault((box.canvas, getattr(image, "draw_together", draw_each)), []).append(i)
        for (canvas, draw), rows in groups.items():
            engine = self.open(canvas)
            name, batch = engine.spec.inputs[0].name, engine.spec.batch
            for some in (rows[start : start + batch] for start in range(0, len(rows), batch)):
                placed = [boxes[i] for i in some]
                maps = engine.submit({name: draw([pictures[i][0] for i in some], placed)})
                maps.add_done_callback(partial(self._read, placed, [found[i] for i in some]))
        return found

    def _read(
        self, boxes: Sequence[Letterbox], found: Sequence[Future[Detections]], maps: Future[dict[str, F32]]
    ) -> None:
        """Give each picture of a batch its detections."""
        for i, (box, one) in enumerate(zip(boxes, found, strict=True)):
            try:
                own = {name: values[i : i + 1] for name, values in maps.result().items()}
                one.set_result(read_maps(own, box, self._settings))
            except BaseException as error:
                one.set_exception(error)

    def open(self, canvas: tuple[int, int]) -> Engine:
        """Return the engine of a canvas (height, width), opened if need be.

        Opening it before the first picture spares that one the wait.
        """
        with self._lock:
            if canvas not in self._engines:
                self._engines[canvas] = self._open_engine(canvas)
            return self._engines[canvas]

    def open_all(self) -> None:
        """Open the engines of all canvases; no picture waits for one then."""
        for canvas in self._settings.canvases:
            self.open(canvas)

    def close(self) -> None:
        """Close every engine that was opened."""
        with self._lock:
            for engine in self._engines.values():
                engine.close()


def detector_digest(network_digest: str, *settings: object) -> str:
    """Return the SHA-256 (hex) over all that decides the numbers of some CenterFace detectors.

    Args:
        network_digest: of their network.
        settings: plain values, or dataclasses of such; their reprs are hashed.
    """
    return hashlib.sha256(f"centerface {network_digest} {settings}".encode()).hexdigest()


def read_maps(maps: Mapping[str, F32], box: Letterbox, settings: DetectorSettings) -> Detections:
    """Return the detections, in picture pixels and best first, of the network's output maps.

    Args:
        maps: `OUTPUTS`, float32 (1, channels, canvas height / 4, canvas width / 4) each; or `CELLS`, float32
            (1, k, 17).
        box: the picture's place on the canvas.
        settings: thresholds.
    """
    cells = _likely_cells(maps, settings.score_min)
    score, scale, offset, marks = cells[:, 0], cells[:, 1:3], cells[:, 3:5], cells[:, 5:15]
    place = cells[:, 15:].astype(np.float64)
    # The maps hold (y, x) pairs; sizes are logarithms in units of the stride.
    size = np.exp(scale)[:, ::-1] * STRIDE_PX
    centre = (place + offset + 0.5)[:, ::-1] * STRIDE_PX
    low = centre - size / 2
    points = marks.reshape(-1, 5, 2)[:, :, ::-1] * size[:, None] + low[:, None]
    limits = np.array([box.width, box.height], np.float32)
    boxes = np.concatenate([np.clip(low, 0, limits), np.clip(low + size, 0, limits)], 1).astype(np.float32)
    keep = suppress(boxes, score, settings.nms_iou)
    corners = _rounded(box.undo(boxes[keep].reshape(-1, 2, 2)), GRID).reshape(-1, 4)
    landmarks = _rounded(box.undo(points[keep].astype(np.float32)), GRID)
    return Detections(corners, landmarks, _rounded(score[keep], GRID**2))


def _likely_cells(maps: Mapping[str, F32], score_min: float) -> F32:
    """Return the cells of one picture that reach a score, as rows of `CELLS`, in the order of the maps."""
    if CELLS in maps:
        cells = maps[CELLS][0]
        return cells[cells[:, 0] >= score_min]
    row, column = np.nonzero(maps[OUTPUTS[0]][0, 0] >= score_min)
    channels = [maps[name][0][:, row, column] for name in OUTPUTS]
    return np.concatenate([*channels, np.stack([row, column])], dtype=np.float32).T


def _rounded(values: F32, steps: int) -> F32:
    return (np.rint(values * steps) / steps).astype(np.float32)


def suppress(boxes: F32, score: F32, iou_max: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the indices of the boxes that greedy non-maximum suppression keeps, best first; ties by position."""
    order = np.lexsort((boxes[:, 1], boxes[:, 0], -score))
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[iou_matrix(boxes[best : best + 1], boxes[order])[0] < iou_max]
    return np.array(kept, np.int64)


def iou_matrix(a: F32, b: F32) -> F32:
    """Return the intersection over union of (n, 4) and (m, 4) boxes: (n, m) float32."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(x[:, 2:] - x[:, :2], 0, None), axis=1) for x in (a, b)]
    return (shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)).astype(np.float32)
