"""What viewers of a live session see of a frame: the picture with its faces drawn on it, and the numbers."""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
import simplejpeg

from autrt.aus import AU_MEANING
from autrt.live.session import Seen, Session
from autrt.overlay.draw import COLOURS, Pen, draw_faces
from autrt.overlay.faces import Face
from autrt.recogniser.faces import RecognisedFace

_EXPERIMENTAL: Final = "experimental"
_JPEG_QUALITY: Final = 80


class View:
    """Turns frames into pictures and numbers.

    Args:
        session: whose frames.
        all_aus: experimental Action Units too.
    """

    def __init__(self, session: Session, *, all_aus: bool = False) -> None:
        model = session.recogniser.model
        grades = model.au_grades or ("",) * len(model.au_names)
        self._aus = [i for i, grade in enumerate(grades) if all_aus or grade != _EXPERIMENTAL]
        self._names = [model.au_names[i] for i in self._aus]
        self._thresholds = [float(model.thresholds[i]) for i in self._aus]
        self._grades = [grades[i] for i in self._aus]
        self._model, self._camera = model.name, session.camera.name
        self._lock = threading.Lock()
        self._drawn: tuple[int, bytes] = (-1, b"")

    def facts(self) -> dict[str, Any]:
        """Return what does not change: the camera, the model and its Action Units."""
        columns = zip(self._names, self._thresholds, self._grades, strict=True)
        aus = [
            {"name": name, "meaning": AU_MEANING.get(name, ""), "threshold": threshold, "grade": grade}
            for name, threshold, grade in columns
        ]
        colours = ["#" + bytes(colour).hex() for colour in COLOURS]
        return {"camera": self._camera, "model": self._model, "aus": aus, "colours": colours}

    def numbers(self, seen: Seen) -> dict[str, Any]:
        """Return a frame's numbers as JSON values."""
        return {
            "time_s": round(seen.frame.time_s, 3),
            "latency_ms": round(1000 * seen.latency_s, 1),
            "rate_hz": round(seen.rate_hz, 1),
            "left_out": seen.left_out,
            "recorded": seen.recorded,
            "faces": [
                {
                    "track": face.track,
                    "smoothed": [round(v, 3) for v in face.smoothed[self._aus].tolist()],
                    "active": face.active[self._aus].tolist(),
                }
                for face in seen.frame.faces
            ],
        }

    def jpeg(self, seen: Seen) -> bytes:
        """Return a frame's picture with boxes and landmarks as JPEG; several viewers share one."""
        with self._lock:
            if self._drawn[0] != seen.frame.index:
                self._drawn = (seen.frame.index, self._draw(seen))
            return self._drawn[1]

    def _draw(self, seen: Seen) -> bytes:
        picture = seen.picture.copy()
        pen = Pen(aus=(), thresholds=(), scale=max(0.7, picture.shape[0] / 720), active_only=True)
        draw_faces(picture, [_drawn(face) for face in seen.frame.faces], seen.frame.time_s, pen)
        return simplejpeg.encode_jpeg(picture, quality=_JPEG_QUALITY, colorspace="RGB")


def _drawn(face: RecognisedFace) -> Face:
    """Return a face without Action Units, whose bars stand on the page."""
    return Face(
        track=face.track,
        box=face.box,
        landmarks=face.landmarks,
        smoothed=np.empty(0, np.float32),
        active=np.empty(0, np.bool_),
    )
