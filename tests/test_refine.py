"""Which interpolated faces get a second look, and what becomes of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from autrt.face.align import Patch
from autrt.face.refine import SLIP_MAX, SlipWatch, place_again
from autrt.template import ARCFACE_112, EYE_DISTANCE_PX
from autrt.types import DETECTED, INTERPOLATED, REFINED, Detections, Faces
from autrt.video.image import PlanarImage, Plane

TOO_FAR = (SLIP_MAX + 0.02) * EYE_DISTANCE_PX
NEAR = (SLIP_MAX - 0.02) * EYE_DISTANCE_PX


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


def suspects(watch, rows, sources, shifts, presence=None, tracks=None):
    found = watch.suspects(
        faces(rows, tracks or [0] * len(rows), sources), np.array(rows) / 30, heads(shifts), presence
    )
    return found.tolist()


def test_a_crop_that_slipped_between_two_detections_is_suspect():
    watch = SlipWatch(ARCFACE_112)
    assert suspects(watch, [0], [DETECTED], [0]) == [False]
    assert suspects(watch, [1, 2, 3], [INTERPOLATED, INTERPOLATED, DETECTED], [TOO_FAR, NEAR, 0]) == [
        True,
        False,
        False,
    ]


def test_the_heads_constant_opinion_is_no_slip_and_a_drift_between_detections_neither():
    watch = SlipWatch(ARCFACE_112)
    suspects(watch, [0], [DETECTED], [8])
    assert suspects(watch, [1, 2], [INTERPOLATED, DETECTED], [8, 8]) == [False, False]
    steps = [8 + i * 2 for i in range(1, 7)]
    assert not any(suspects(watch, list(range(3, 9)), [INTERPOLATED] * 5 + [DETECTED], steps))


def test_each_track_is_watched_by_itself():
    watch = SlipWatch(ARCFACE_112)
    suspects(watch, [0, 0], [DETECTED] * 2, [0, 9], tracks=[0, 1])
    rows, tracks = [1, 1, 2, 2], [0, 1, 0, 1]
    found = suspects(watch, rows, [INTERPOLATED] * 2 + [DETECTED] * 2, [9, 9, 0, 9], tracks=tracks)
    assert found == [True, False, False, False]


def test_a_denied_presence_is_suspect_but_never_at_a_detection():
    watch = SlipWatch(ARCFACE_112)
    presence = np.array([-1, 1, -1], np.float32)
    found = suspects(watch, [1, 2, 3], [INTERPOLATED, INTERPOLATED, DETECTED], [0, 0, 0], presence)
    assert found == [True, False, False]


def test_networks_without_these_heads_doubt_nothing():
    watch = SlipWatch(ARCFACE_112)
    assert not watch.suspects(faces([1], [0], [INTERPOLATED]), np.array([0.1]), None, None).any()


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
