"""Selection of the faces to crop from a video, and alignment of their crops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from autrt.face.align import apply, crop_matrix, cut_patches, invert
from autrt.pipeline.recognise import StoppedError
from autrt.postprocess.main_face import main_faces
from autrt.results.reader import Results
from autrt.template import TEMPLATES
from autrt.types import CROP_SIZE_PX, F32, F64, I32, I64, U8, Bool, Decoder, Image, Source
from autrt_train.crop.index import CropRow, CropSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesToCrop:
    """Faces to crop from one video, in order of time."""

    index: I64
    """(F,) int64 index of the frame, from 0."""
    time_s: F64
    track: I32
    landmarks: F32
    """(F, 5, 2) float32 frame pixels."""
    score: F32

    @classmethod
    def of(cls, results: Results, settings: CropSettings, among: Bool | None = None) -> FacesToCrop:
        """Return the faces of a results file that `settings` select, among those that are True in (F,) `among`."""
        faces, row = results.faces, results.faces["frame"]
        index = results.frames["index"][row]
        chosen = index % settings.every == 0
        if among is not None:
            chosen &= among
        if not settings.all_faces:
            chosen &= main_faces(row, faces["track"], faces["box"])
        return cls(
            index=index[chosen],
            time_s=results.frames["time_s"][row[chosen]],
            **{name: faces[name][chosen] for name in ("track", "landmarks", "score")},
        )

    def row(self, row: int, path: str, source: Source, landmarks: F32) -> CropRow:
        """Return the manifest's row of one crop; `landmarks` (5, 2) in crop pixels."""
        return CropRow(
            path=path,
            video=source.relative,
            track=int(self.track[row]),
            frame=int(self.index[row]) + 1,
            time_s=float(self.time_s[row]),
            score=float(self.score[row]),
            landmarks=landmarks,
        )


def crop_face(
    image: Image, landmarks: F32, template: F32, pixel_aspect: Fraction, margin_px: int
) -> tuple[U8, F32]:
    """Align and crop one face; the inner part of the crop is exactly the networks' input in `infer`.

    Args:
        image: the frame.
        landmarks: (5, 2) float32 frame pixels.
        template: (5, 2) float32 crop pixels.
        pixel_aspect: width over height of a frame pixel.
        margin_px: added on every side.

    Returns:
        (112 + 2·margin_px)² × 3 uint8 RGB, and the landmarks (5, 2) float32 in pixels of the crop without
        margin.
    """
    (patch,) = cut_patches([image], crop_matrix(landmarks[None], template, pixel_aspect), pixel_aspect)
    inside = apply(invert(patch.to_frame()), landmarks)
    matrix = crop_matrix(inside, template + np.float32(margin_px), pixel_aspect)
    pixels = patch.image.warped(matrix.astype(np.float32), CROP_SIZE_PX + 2 * margin_px)
    return pixels, apply(matrix, inside) - np.float32(margin_px)


def crop_faces(
    decoder: Decoder,
    wanted: FacesToCrop,
    settings: CropSettings,
    stop: threading.Event,
    advance: Callable[[int], object],
) -> Iterator[tuple[int, U8, F32]]:
    """Decode a video again and crop its faces.

    Args:
        decoder: of the video.
        wanted: its faces.
        settings: of the crops.
        stop: set to end early.
        advance: called with 1 after every frame.

    Yields:
        Row of `wanted`, and crop and landmarks as returned by `crop_face`.

    Raises:
        StoppedError: `stop` was set.
        VideoError: the video cannot be read.
    """
    template, aspect = TEMPLATES[settings.template], decoder.info.pixel_aspect
    for frame in decoder:
        if stop.is_set():
            raise StoppedError
        first, last = np.searchsorted(wanted.index, [frame.index, frame.index + 1]).tolist()
        for row in range(first, last):
            yield row, *crop_face(frame.image, wanted.landmarks[row], template, aspect, settings.margin_px)
        advance(1)
        if last == len(wanted.index):
            return
