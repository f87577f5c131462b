"""Following faces through a live stream, without looking ahead.

Faces are detected every `interval_s` seconds. In the frames between, each face is looked for where it was in the
frame before: the networks' landmark head says how far it has moved since, by the same rule that corrects
interpolated faces in a file (`face.misalignment`). Where it has moved far, or is not there any more, faces are
detected at once; and in every frame where the model has no landmark head.

A face that turns into another person's (`people_in_stream`) gets another track.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np

from autrt.face.appearance import small_faces
from autrt.face.misalignment import Misalignment, MisalignmentDetector, move
from autrt.pipeline.align import cut_faces
from autrt.pipeline.networks import Networks
from autrt.recogniser.causal_tracker import CausalTracker
from autrt.recogniser.people_in_stream import PeopleInStream
from autrt.types import F32, INTERPOLATED, U8, Detections, Faces, Frame, Image, Outputs

_SQUARE: Final = Fraction(1)
"""Pixel aspect of pictures in memory."""

_EARLY_S: Final = 1e-3
"""Camera times vary: a frame this much before its turn is a detection frame too."""


class FaceFollower:
    """Finds and follows the faces of one stream. Frames must come in order.

    Args:
        networks: detectors and engines.
        interval_s: time from one detection frame to the next.
    """

    def __init__(self, networks: Networks, interval_s: float) -> None:
        self._networks = networks
        self._interval_s = interval_s
        self._next_detection_s = -np.inf
        self._tracker = CausalTracker()
        self._people = PeopleInStream()
        self._misalignment = MisalignmentDetector(networks.template)
        self._faces = Faces.empty()

    def follow(self, frame: Frame) -> tuple[Faces, F32]:
        """Return the faces of the next frame, ordered by track, and their (F, M, A) float32 member logits."""
        followed = self._carry_on(frame) if frame.time_s < self._next_detection_s else None
        faces, outputs = followed or self._detect(frame)
        self._faces = faces
        return faces, outputs["logits"]

    def _carry_on(self, frame: Frame) -> tuple[Faces, Outputs] | None:
        """Follow the faces of the frame before; return None where they must be detected."""
        n = len(self._faces)
        faces = replace(
            self._faces,
            row=np.full(n, frame.index, np.int64),
            source=np.full(n, INTERPOLATED, np.uint8),
        )
        outputs, small = self._run(frame, faces)
        if "landmarks" not in outputs and n:
            return None
        self._people.see(frame, faces, small)
        if not n:
            return faces, outputs
        found = self._check(faces, frame, outputs)
        if found.to_redetect.any():
            return None
        rows = found.to_move
        if rows.any():
            moved = move(faces[rows], found.offset[rows], self._networks.template, _SQUARE)
            faces = faces.replaced(rows, moved)
            outputs["logits"][rows] = self._run(frame, moved)[0]["logits"]
        return faces, outputs

    def _detect(self, frame: Frame) -> tuple[Faces, Outputs]:
        self._next_detection_s = frame.time_s + self._interval_s - _EARLY_S
        faces = self._tracker.update(self._detections(frame.image), frame, self._faces)
        outputs, small = self._run(frame, faces)
        self._people.see(frame, faces, small)
        changed = self._people.changed(frame, faces, small)
        if changed:
            faces, order = self._tracker.renumbered(faces, changed)
            outputs = {name: values[order] for name, values in outputs.items()}
        self._check(faces, frame, outputs)  # notes the head's offsets
        return faces, outputs

    def _check(self, faces: Faces, frame: Frame, outputs: Outputs) -> Misalignment:
        times_s = np.full(len(faces), frame.time_s)
        return self._misalignment.check(faces, times_s, outputs.get("landmarks"), outputs.get("presence"))

    def _detections(self, image: Image) -> Detections:
        return self._networks.frame_detector(image.width, image.height).submit(image).result()

    def _run(self, frame: Frame, faces: Faces) -> tuple[Outputs, U8]:
        """Cut the faces out of a frame and run the networks; return their outputs and the small faces."""
        _, crops = cut_faces([frame.image] * len(faces), faces, self._networks, _SQUARE)
        small = small_faces(self._networks.batcher.memory.sparse(crops).result())
        return self._networks.batcher.submit(crops).result(), small
