"""Detectors of large frames: thorough once a second, and the fast one in between where it finds as many faces."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from autrt.face.coarse_to_fine import CLEAR
from autrt.face.detect import FRAME_CANVASES, Letterbox
from autrt.face.detection_schedule import DetectionSchedule
from autrt.face.track import DETECTIONS_AHEAD, track
from autrt.settings import DetectionInterval
from autrt.types import Faces
from tests.support.fakes import ScriptedDetector, ScriptedFace, scripted_frames

K = 6
EVERY_K = DetectionInterval(frames=K)
SIDE = CLEAR.side_px * 4  # a canvas of 160 pixels for a frame of 640
LARGE, SMALL = SIDE + 8, SIDE - 8


class FakeFastDetector(ScriptedDetector):
    """A scripted fast detector: it finds clear faces alone."""

    def __init__(self, people, blind=lambda number: False):
        super().__init__([p for p in people if p.side >= SIDE])
        self.everybody, self.blind = self.faces, blind

    def letterbox(self, image, pixel_aspect=Fraction(1)):
        return Letterbox.fit(image.width, image.height, FRAME_CANVASES["coarse"], pixel_aspect)

    def submit(self, image, pixel_aspect=Fraction(1)):
        self.faces = [] if self.blind(image.number) else self.everybody
        return super().submit(image, pixel_aspect)


def follow(people, length=121, blind=lambda number: False, look_ahead=DETECTIONS_AHEAD, **script):
    thorough, quick = ScriptedDetector(people), FakeFastDetector(people, blind)
    segments = list(
        track(scripted_frames(length, **script), DetectionSchedule(thorough, quick), EVERY_K, look_ahead)
    )
    return Faces.concatenate([s.faces for s in segments]), thorough.calls, quick.calls


def plain(people, length=121, **script):
    segments = track(scripted_frames(length, **script), DetectionSchedule(ScriptedDetector(people)), EVERY_K)
    return Faces.concatenate([s.faces for s in segments])


def assert_equal(a, b):
    assert (a.row.tolist(), a.track.tolist()) == (b.row.tolist(), b.track.tolist())
    np.testing.assert_allclose(a.landmarks, b.landmarks, atol=1e-3)


def test_large_face_is_searched_thoroughly_once_a_second():
    people = [ScriptedFace(x=lambda i: 100 + i, side=LARGE)]
    faces, thorough, quick = follow(people)
    assert thorough == [0, 30, 60, 90, 120]
    assert sorted(quick) == list(range(0, 121, K))
    assert_equal(faces, plain(people))


def test_small_face_is_always_searched_thoroughly():
    people = [ScriptedFace(x=lambda i: 100, side=LARGE), ScriptedFace(x=lambda i: 400, side=SMALL)]
    faces, thorough, quick = follow(people)
    assert thorough == list(range(0, 121, K))
    assert quick == []
    assert_equal(faces, plain(people))


def test_frames_without_faces_are_always_searched_thoroughly():
    faces, thorough, _ = follow([ScriptedFace(x=lambda i: 100, side=LARGE, seen=lambda i: i > 45)])
    assert set(range(0, 60, K)) <= set(thorough)
    assert faces.row.tolist() == list(range(46, 121))


@pytest.mark.parametrize("side", [LARGE, SMALL])
def test_new_face_is_found_within_a_second(side):
    people = [
        ScriptedFace(x=lambda i: 20, side=LARGE),
        ScriptedFace(x=lambda i: 400, side=side, seen=lambda i: i >= 40),
    ]
    faces, _, _ = follow(people)
    first = faces.row[faces.track == 1].min()
    assert first == 40 if side == LARGE else 40 <= first <= 60


def test_vanished_face_is_missed_at_once():
    people = [
        ScriptedFace(x=lambda i: 20, side=LARGE),
        ScriptedFace(x=lambda i: 400, side=LARGE, seen=lambda i: i < 40),
    ]
    faces, _, _ = follow(people)
    assert faces.row[faces.track == 1].max() == 39


def test_thorough_detection_wins_where_the_fast_one_finds_less():
    people = [ScriptedFace(x=lambda i: 100 + i, side=LARGE)]
    faces, thorough, _ = follow(people, blind=lambda number: 40 < number < 60)
    assert {42, 48, 54} < set(thorough)
    assert_equal(faces, plain(people))


def test_cut_is_followed_by_a_thorough_detection():
    people = [
        ScriptedFace(x=lambda i: 100, side=LARGE),
        ScriptedFace(x=lambda i: 420, side=SMALL, seen=lambda i: i >= 40),
    ]
    faces, thorough, _ = follow(people, scene=lambda number: int(number >= 40))
    assert 40 in thorough
    assert faces.row[faces.track == 2].tolist() == list(range(40, 121))


@pytest.mark.parametrize("cut", [20, 33, 47])
def test_thorough_detections_fall_on_whole_seconds_wherever_the_shot_began(cut):
    _, thorough, _ = follow(
        [ScriptedFace(x=lambda i: 100, side=LARGE)], scene=lambda number: int(number >= cut)
    )
    whole = [number for number in thorough if number > cut]
    assert whole == [number for number in (30, 60, 90, 120) if number > cut]


@pytest.mark.parametrize("look_ahead", [1, 5, 60])
def test_look_ahead_changes_nothing(look_ahead):
    people = [
        ScriptedFace(x=lambda i: 20 + i, side=LARGE),
        ScriptedFace(x=lambda i: 400, side=SMALL, seen=lambda i: 40 <= i < 90),
    ]
    assert_equal(follow(people)[0], follow(people, look_ahead=look_ahead)[0])
