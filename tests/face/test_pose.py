"""Head pose from landmarks, against projected points of known rotation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from autrt.face.pose import FACE, head_pose, turned_deg


def seen(yaw: float, pitch: float, roll: float, away: float = np.inf) -> np.ndarray:
    """The generic face's landmarks, turned; in perspective from a camera `away` eye distances in front of it."""
    turned = FACE @ Rotation.from_euler("XYZ", [pitch, yaw, roll], degrees=True).as_matrix().T
    depth = 1 + (0 if np.isinf(away) else 1) * turned[:, 2:] / min(away, 1e9)
    return (400 + 120 * turned[:, :2] / depth)[None].astype(np.float32)


@settings(deadline=None)
@given(st.floats(-70, 70), st.floats(-60, 60), st.floats(-170, 170), st.sampled_from([1, Fraction(4, 3)]))
def test_pose_is_found_again_from_projected_points(yaw, pitch, roll, aspect):
    points = seen(yaw, pitch, roll) / np.float32([aspect, 1])
    np.testing.assert_allclose(head_pose(points, Fraction(aspect))[0], [yaw, pitch, roll], atol=0.2)


@settings(deadline=None)
@given(st.floats(-45, 45), st.floats(-30, 30), st.floats(-30, 30))
def test_pose_of_a_near_camera_is_off_by_some_degrees_at_most(yaw, pitch, roll):
    """An arm's length: the face is 9 eye distances away."""
    np.testing.assert_allclose(head_pose(seen(yaw, pitch, roll, 9))[0], [yaw, pitch, roll], atol=8)


def test_signs_are_those_of_openface():
    points = seen(0, 0, 0)[0]
    left, up, clockwise = points.copy(), points.copy(), points.copy()
    left[2, 0] -= 20  # the nose, to the left of the picture
    up[2, 1] -= 20
    clockwise[[1, 4], 1] += 20  # the eye and mouth corner on the right
    assert head_pose(left[None])[0, 0] > 10
    assert head_pose(up[None])[0, 1] < -10
    assert head_pose(clockwise[None])[0, 2] > 2


def test_pose_of_points_in_one_place_is_unknown():
    assert np.isnan(head_pose(np.ones((1, 5, 2), np.float32))).all()
    assert head_pose(np.empty((0, 5, 2), np.float32)).shape == (0, 3)


def test_turned_is_the_angle_to_the_line_of_sight():
    pose = np.array([[30, 0, 0], [0, -20, 90], [60, 60, 0]], np.float32)
    np.testing.assert_allclose(turned_deg(pose), [30, 20, np.degrees(np.arccos(0.25))], rtol=1e-4)
