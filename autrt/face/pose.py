"""Head pose from the five landmarks of a face.

The camera is a weak perspective (scaled orthographic) one: the face's own depth is small beside its distance, so
no focal length need be known. Angles are therefore those against the line of sight to the face, which is what
decides how much of it is seen; at the edge of a wide picture they differ from angles against the camera's axis.

Rotation and scale of a generic face's five points (`FACE`) are fitted to the landmarks by least squares. Everybody
is taken for that generic face: a long nose, or a jaw that drops, looks like a nod. docs/results.md states the
accuracy.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from autrt.types import F32, F64

FACE: Final = np.array(
    [
        [-0.5, -0.585, 0.08],
        [0.5, -0.585, 0.08],
        [0.0, 0.034, -0.29],
        [-0.403, 0.568, 0.065],
        [0.403, 0.568, 0.065],
    ]
)
"""(5, 3) points of a generic face in units of its eyes' distance, in the landmarks' order: x to the right as seen,
y down, z away from the camera; their mean is 0. Fitted to the face detector's landmarks in 319 rendered pictures of
45 people (ICT-FaceKit) whose pose is known."""

_STEPS: Final = 2
"""Gauss-Newton steps; more are no nearer to the true pose."""
_DAMPING: Final = 1e-4
_AFFINE: Final = np.linalg.pinv(FACE)
"""(3, 5): points in the picture → affine camera."""


def head_pose(landmarks: F32, pixel_aspect: Fraction = Fraction(1)) -> F32:
    """Return how far heads are turned, as seen along the line of sight.

    The rotation is R = Rx(pitch) Ry(yaw) Rz(roll) about the axes right, down and away from the camera, as in
    OpenFace: pitch is positive for a head that is lowered, yaw for a face turned to the left of the picture (the
    person's own right), roll for a head that leans clockwise as seen.

    Args:
        landmarks: (F, 5, 2) float32 frame pixels; see `types.Detections`.
        pixel_aspect: width over height of a frame pixel.

    Returns:
        (F, 3) float32 yaw, pitch, roll in degrees; yaw within ±90, the others within ±180. NaN where all landmarks
        lie in one place.
    """
    points = landmarks.astype(np.float64) * (float(pixel_aspect), 1.0)
    points -= points.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(points).sum(axis=(1, 2)))
    known = size > 0
    points = points[known] / size[known, None, None]
    out = np.full((len(landmarks), 3), np.nan, np.float32)
    out[known] = np.degrees(_angles(_fitted(points)))
    return out


def _fitted(points: F64) -> F64:
    """Return the (F, 3, 3) rotations that, with a scale, bring `FACE` nearest to (F, 5, 2) centred points."""
    affine = np.swapaxes(_AFFINE @ points, 1, 2)
    u, s, v = np.linalg.svd(affine, full_matrices=False)
    rows = u @ v
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    scale = s.mean(axis=1)
    for _ in range(_STEPS):
        rotation, scale = _improved(rotation, scale, points)
    return rotation


def _improved(rotation: F64, scale: F64, points: F64) -> tuple[F64, F64]:
    """Return rotations and scales after one damped Gauss-Newton step."""
    turned = FACE @ np.swapaxes(rotation, 1, 2)
    scaled = turned * scale[:, None, None]
    slopes = np.zeros((len(points), 5, 2, 4))  # of x and y, by turns about the three axes and by scale
    slopes[:, :, 0, 1], slopes[:, :, 1, 0] = scaled[..., 2], -scaled[..., 2]
    slopes[:, :, 0, 2], slopes[:, :, 1, 2] = -scaled[..., 1], scaled[..., 0]
    slopes[..., 3] = turned[..., :2]
    slopes = slopes.reshape(len(points), 10, 4)
    rest = (points - scaled[..., :2]).reshape(len(points), 10, 1)
    transposed = np.swapaxes(slopes, 1, 2)
    step: F64 = np.linalg.solve(transposed @ slopes + _DAMPING * np.eye(4), transposed @ rest)[..., 0].astype(
        np.float64
    )
    return _rotations(step[:, :3]) @ rotation, np.maximum(scale + step[:, 3], 1e-3)


def _rotations(vectors: F64) -> F64:
    """Return (F, 3, 3) rotations by (F, 3) rotation vectors (Rodrigues)."""
    angle = np.sqrt(np.square(vectors).sum(axis=1))[:, None, None]
    x, y, z = (vectors / np.maximum(angle[:, 0], 1e-12)).T
    nothing = np.zeros_like(x)
    cross = np.stack([nothing, -z, y, z, nothing, -x, -y, x, nothing], 1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def _angles(rotation: F64) -> F64:
    """Return (F, 3) yaw, pitch, roll in radians of rotations Rx(pitch) Ry(yaw) Rz(roll)."""
    yaw = np.arcsin(np.clip(rotation[:, 0, 2], -1, 1))
    pitch = np.arctan2(-rotation[:, 1, 2], rotation[:, 2, 2])
    roll = np.arctan2(-rotation[:, 0, 1], rotation[:, 0, 0])
    return np.stack([yaw, pitch, roll], axis=1)


def turned_deg(pose: F32) -> F32:
    """Return (F,) float32 angles between the line of sight and the direction that heads of (F, 3) pose face."""
    yaw, pitch = np.radians(pose[:, :2].astype(np.float64)).T
    return np.degrees(np.arccos(np.clip(np.cos(yaw) * np.cos(pitch), -1, 1))).astype(np.float32)
