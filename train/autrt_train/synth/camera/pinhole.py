"""Projection from head coordinates in centimetres to pixels: rotation, perspective and alignment to the crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from autrt.face.align import similarity
from autrt.template import ARCFACE_112
from autrt.types import CROP_SIZE_PX, F32, F64
from autrt_train.synth.rig.parts import LEFT_CORNER, LEFT_EYE, NOSE_TIP, RIGHT_CORNER, RIGHT_EYE

FACE_DEPTH_CM = 10.0
"""Distance of the face in front of the head's origin, for the size of what is drawn on it."""

Points = NDArray[np.floating[Any]]


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> F32:
    """Return a (3, 3) float32 rotation: yaw to the picture's right, pitch down, roll counter-clockwise."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def five_points(landmarks: Points) -> F32:
    """Return eyes, nose tip and mouth corners of (68, 2) landmarks, (5, 2) float32 in ArcFace's order."""
    eyes = [landmarks[RIGHT_EYE].mean(0), landmarks[LEFT_EYE].mean(0)]
    return np.stack([*eyes, *landmarks[[NOSE_TIP, RIGHT_CORNER, LEFT_CORNER]]]).astype(np.float32)


def template(size_px: int, margin_px: int) -> F32:
    """Return the positions of the five points, (5, 2) float32, in a picture that is the crop and a margin."""
    scale = (size_px - 2 * margin_px) / CROP_SIZE_PX
    return ((ARCFACE_112 + 0.5) * scale - 0.5 + margin_px).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A pinhole in front of the face, and the similarity transform that aligns its picture."""

    rotation: F32
    """(3, 3) float32."""
    distance_cm: float
    """Distance from the head's origin to the pinhole."""
    matrix: F64
    """(2, 3) float64 matrix from the pinhole's picture to pixels."""

    @staticmethod
    def aligned(rotation: F32, distance_cm: float, landmarks: F32, target: F32) -> Pinhole:
        """Create the camera that maps the five points of (68, 3) landmarks in cm nearest to (5, 2) pixels."""
        pinhole = Pinhole(rotation, distance_cm, np.eye(2, 3))
        five = five_points(pinhole.project(landmarks))
        return Pinhole(rotation, distance_cm, similarity(five, target))

    @property
    def px_per_cm(self) -> float:
        """Scale at the face's depth."""
        scale = float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
        return scale / (self.distance_cm - FACE_DEPTH_CM)

    def project(self, points: Points) -> F32:
        """Project (…, 3) points in cm of the head's frame to (…, 2) float32 pixels."""
        rotated = (points @ self.rotation.T).astype(np.float32)
        return self.view(rotated.reshape(-1, 3))[:, :2].reshape(*points.shape[:-1], 2)

    def view(self, rotated: F32) -> F32:
        """Project points that are already rotated: (V, 3) float32, x and y in pixels, z in cm."""
        return _view(rotated, np.float32(self.distance_cm), self.matrix.astype(np.float32))

    def scaled(self, factor: float) -> Pinhole:
        """Return the same view in pixels of another size; pixel centres stay at whole numbers."""
        matrix = self.matrix * factor
        matrix[:, 2] += (factor - 1) / 2
        return Pinhole(self.rotation, self.distance_cm, matrix)


@nb.njit(cache=True, nogil=True)
def _view(points: F32, distance_cm: np.float32, matrix: F32) -> F32:
    out = np.empty_like(points)
    for v in range(len(points)):
        away = np.float32(1) / (distance_cm - points[v, 2])
        x, y = points[v, 0] * away, -points[v, 1] * away
        out[v, 0] = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
        out[v, 1] = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
        out[v, 2] = points[v, 2]
    return out
