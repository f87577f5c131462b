"""Interpolated faces that are moved or detected again, and where they are placed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.face.misalignment import MOVE_MAX, MOVE_MIN, MisalignmentDetector, move, redetected
from autrt.template import ARCFACE_112, EYE_DISTANCE_PX
from autrt.types import DETECTED, INTERPOLATED, REFINED, Detections, Faces, Patch
from autrt.video.planar_image import PlanarImage, Plane

FAR, OFF, NEAR = (np.array([MOVE_MAX + 0.02, MOVE_MIN + 0.02, MOVE_MIN - 0.02]) * EYE_DISTANCE_PX).tolist()
MOVE, REDETECT = "move", "redetect"


def faces(rows, tracks, sources):
    n = len(rows)
    return Faces(
        row=np.array(rows, np.int64),
        boxes=np.tile(np.array([100, 100, 200, 200], np.float32), (n, 1)),
        landmarks=np.tile(ARCFACE_112 + 90, (n, 1, 1)).astype(np.float32),
        score=np.full(n, 0.9, np.float32),
        track=np.array(tracks, np.int32),
        source=np.array(sources, np.uint8),
    )


def head_landmarks(shifts):
    """Outputs of a landmark head that sees the face shifted to the right by some crop pixels."""
    return np.stack([ARCFACE_112 + np.array([s, 0]) for s in shifts]).astype(np.float32)


def actions(detector, rows, sources, shifts, presence=None, tracks=None):
    """The action for each face: move, redetect, or nothing."""
    tracks = tracks or [0] * len(rows)
    found = detector.check(
        faces(rows, tracks, sources), np.array(rows) / 30, head_landmarks(shifts), presence
    )
    assert not (found.to_move & found.to_redetect).any()
    pairs = zip(found.to_move, found.to_redetect, strict=True)
    return [MOVE if to_move else REDETECT if to_redetect else None for to_move, to_redetect in pairs]


def test_misalignment_is_moved_or_redetected_by_its_size():
    detector = MisalignmentDetector(ARCFACE_112)
    assert actions(detector, [0], [DETECTED], [0]) == [None]
    sources = [INTERPOLATED] * 3 + [DETECTED]
    assert actions(detector, [1, 2, 3, 4], sources, [FAR, OFF, NEAR, 0]) == [REDETECT, MOVE, None, None]


def test_misalignment_ignores_bias_and_linear_drift_of_the_head():
    detector = MisalignmentDetector(ARCFACE_112)
    actions(detector, [0], [DETECTED], [8])
    assert actions(detector, [1, 2], [INTERPOLATED, DETECTED], [8, 8]) == [None, None]
    steps = [8 + i * 2 for i in range(1, 7)]
    assert not any(actions(detector, list(range(3, 9)), [INTERPOLATED] * 5 + [DETECTED], steps))


def test_misalignment_is_measured_for_each_track_alone():
    detector = MisalignmentDetector(ARCFACE_112)
    actions(detector, [0, 0], [DETECTED] * 2, [0, 9], tracks=[0, 1])
    rows, tracks = [1, 1, 2, 2], [0, 1, 0, 1]
    found = actions(detector, rows, [INTERPOLATED] * 2 + [DETECTED] * 2, [9, 9, 0, 9], tracks=tracks)
    assert found == [REDETECT, None, None, None]


def test_misalignment_redetects_absent_faces_but_no_detections():
    detector = MisalignmentDetector(ARCFACE_112)
    presence = np.array([-1, -1, 1, -1], np.float32)
    sources = [INTERPOLATED, INTERPOLATED, INTERPOLATED, DETECTED]
    assert actions(detector, [1, 2, 3, 4], sources, [0, OFF, 0, 0], presence) == [
        REDETECT,
        REDETECT,
        None,
        None,
    ]


def test_misalignment_without_landmarks_and_presence_is_none():
    found = MisalignmentDetector(ARCFACE_112).check(
        faces([1], [0], [INTERPOLATED]), np.array([0.1]), None, None
    )
    assert not found.to_move.any()
    assert not found.to_redetect.any()


@given(
    turn_deg=st.floats(-60, 60),
    side=st.floats(0.3, 4),
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    aspect=st.sampled_from([Fraction(1), Fraction(16, 11), Fraction(3, 4)]),
)
def test_move_places_faces_where_the_head_saw_them(turn_deg, side, shift, aspect):
    turn = np.deg2rad(turn_deg)
    linear = side * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = ((ARCFACE_112 @ linear.T + 300) / [float(aspect), 1]).astype(np.float32)
    face = replace(faces([7], [3], [INTERPOLATED]), landmarks=landmarks[None])
    offset = np.tile(np.array(shift, np.float32), (1, 5, 1))
    moved = move(face, offset, ARCFACE_112, aspect)
    seen = ((ARCFACE_112 + np.array(shift)) @ linear.T + 300) / [float(aspect), 1]
    np.testing.assert_allclose(moved.landmarks[0], seen, atol=2e-3)
    way = (seen - landmarks).mean(axis=0)
    np.testing.assert_allclose(moved.boxes[0], face.boxes[0] + [*way, *way], atol=2e-3)
    assert (moved.row.tolist(), moved.track.tolist(), moved.source.tolist()) == ([7], [3], [REFINED])


def found(*boxes):
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.tile(ARCFACE_112 / 2, (n, 1, 1)).astype(np.float32),
        np.linspace(0.9, 0.5, n).astype(np.float32),
    )


@pytest.fixture
def patch():
    whole = PlanarImage((Plane(np.zeros((400, 400, 3), np.uint8)),), None)
    return Patch(whole.cut(60, 40, 260, 240, 2), Fraction(1))


def test_redetected_takes_the_overlapping_face_in_frame_pixels(patch):
    x, y, shrink = patch.image.origin
    inside = [(100 - x) / shrink, (100 - y) / shrink, (200 - x) / shrink, (205 - y) / shrink]
    placed = redetected(faces([7], [3], [INTERPOLATED]), patch, found([0, 0, 10, 10], inside))
    np.testing.assert_allclose(placed.boxes, [[100, 100, 200, 205]], atol=1e-3)
    np.testing.assert_allclose(placed.landmarks[0], ARCFACE_112 / 2 * shrink + [x, y], atol=1e-3)
    assert (placed.row.tolist(), placed.track.tolist(), placed.source.tolist()) == ([7], [3], [REFINED])
    assert placed.score.tolist() == [0.5]


def test_redetected_is_none_without_an_overlapping_face(patch):
    assert redetected(faces([7], [3], [INTERPOLATED]), patch, found()) is None
    assert redetected(faces([7], [3], [INTERPOLATED]), patch, found([0, 0, 8, 8])) is None
