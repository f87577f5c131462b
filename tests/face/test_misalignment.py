"""Which interpolated faces are moved or looked at again, and where they end up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.face.align import Patch
from autrt.face.misalignment import SLIP_MAX, SLIP_MIN, MisalignmentDetector, move, place_again
from autrt.template import ARCFACE_112, EYE_DISTANCE_PX
from autrt.types import DETECTED, INTERPOLATED, REFINED, Detections, Faces
from autrt.video.planar_image import PlanarImage, Plane

FAR, SLIPPED, NEAR = (
    np.array([SLIP_MAX + 0.02, SLIP_MIN + 0.02, SLIP_MIN - 0.02]) * EYE_DISTANCE_PX
).tolist()
MOVED, LOOK = "moved", "look"


def faces(rows, tracks, sources):
    n = len(rows)
    return Faces(
        np.array(rows, np.int64),
        np.tile(np.array([100, 100, 200, 200], np.float32), (n, 1)),
        np.tile(ARCFACE_112 + 90, (n, 1, 1)).astype(np.float32),
        np.full(n, 0.9, np.float32),
        np.array(tracks, np.int32),
        np.array(sources, np.uint8),
    )


def heads(shifts):
    """Landmark heads that see the face shifted to the right by so many crop pixels."""
    return np.stack([ARCFACE_112 + np.array([s, 0]) for s in shifts]).astype(np.float32)


def verdicts(watch, rows, sources, shifts, presence=None, tracks=None):
    """What is to be done about each face: moved, looked at again, or nothing."""
    slips = watch.slips(
        faces(rows, tracks or [0] * len(rows), sources), np.array(rows) / 30, heads(shifts), presence
    )
    assert not (slips.moved & slips.doubtful).any()
    return [MOVED if m else LOOK if d else None for m, d in zip(slips.moved, slips.doubtful, strict=True)]


def test_a_crop_that_slipped_between_two_detections_is_moved_or_looked_at_again_by_how_far_it_did():
    watch = MisalignmentDetector(ARCFACE_112)
    assert verdicts(watch, [0], [DETECTED], [0]) == [None]
    sources = [INTERPOLATED] * 3 + [DETECTED]
    assert verdicts(watch, [1, 2, 3, 4], sources, [FAR, SLIPPED, NEAR, 0]) == [LOOK, MOVED, None, None]


def test_the_heads_constant_opinion_is_no_slip_and_a_drift_between_detections_neither():
    watch = MisalignmentDetector(ARCFACE_112)
    verdicts(watch, [0], [DETECTED], [8])
    assert verdicts(watch, [1, 2], [INTERPOLATED, DETECTED], [8, 8]) == [None, None]
    steps = [8 + i * 2 for i in range(1, 7)]
    assert not any(verdicts(watch, list(range(3, 9)), [INTERPOLATED] * 5 + [DETECTED], steps))


def test_each_track_is_watched_by_itself():
    watch = MisalignmentDetector(ARCFACE_112)
    verdicts(watch, [0, 0], [DETECTED] * 2, [0, 9], tracks=[0, 1])
    rows, tracks = [1, 1, 2, 2], [0, 1, 0, 1]
    found = verdicts(watch, rows, [INTERPOLATED] * 2 + [DETECTED] * 2, [9, 9, 0, 9], tracks=tracks)
    assert found == [LOOK, None, None, None]


def test_a_denied_presence_asks_for_a_look_but_never_at_a_detection():
    watch = MisalignmentDetector(ARCFACE_112)
    presence = np.array([-1, -1, 1, -1], np.float32)
    sources = [INTERPOLATED, INTERPOLATED, INTERPOLATED, DETECTED]
    assert verdicts(watch, [1, 2, 3, 4], sources, [0, SLIPPED, 0, 0], presence) == [LOOK, LOOK, None, None]


def test_networks_without_these_heads_doubt_nothing():
    slips = MisalignmentDetector(ARCFACE_112).slips(
        faces([1], [0], [INTERPOLATED]), np.array([0.1]), None, None
    )
    assert not slips.moved.any()
    assert not slips.doubtful.any()


@given(
    turn_deg=st.floats(-60, 60),
    side=st.floats(0.3, 4),
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    aspect=st.sampled_from([Fraction(1), Fraction(16, 11), Fraction(3, 4)]),
)
def test_a_moved_face_lies_where_the_head_saw_it(turn_deg, side, shift, aspect):
    turn = np.deg2rad(turn_deg)
    linear = side * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = ((ARCFACE_112 @ linear.T + 300) / [float(aspect), 1]).astype(np.float32)
    face = replace(faces([7], [3], [INTERPOLATED]), landmarks=landmarks[None])
    slip = np.tile(np.array(shift, np.float32), (1, 5, 1))
    moved = move(face, slip, ARCFACE_112, aspect)
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


def test_the_overlapping_face_of_the_patch_replaces_the_row_in_frame_pixels(patch):
    x, y, shrink = patch.image.origin
    inside = [(100 - x) / shrink, (100 - y) / shrink, (200 - x) / shrink, (205 - y) / shrink]
    placed = place_again(faces([7], [3], [INTERPOLATED]), 0, patch, found([0, 0, 10, 10], inside))
    np.testing.assert_allclose(placed.boxes, [[100, 100, 200, 205]], atol=1e-3)
    np.testing.assert_allclose(placed.landmarks[0], ARCFACE_112 / 2 * shrink + [x, y], atol=1e-3)
    assert (placed.row.tolist(), placed.track.tolist(), placed.source.tolist()) == ([7], [3], [REFINED])
    assert placed.score.tolist() == [0.5]


def test_no_face_or_only_others_there_is_none(patch):
    assert place_again(faces([7], [3], [INTERPOLATED]), 0, patch, found()) is None
    assert place_again(faces([7], [3], [INTERPOLATED]), 0, patch, found([0, 0, 8, 8])) is None
