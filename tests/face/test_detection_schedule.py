"""Large frames are searched thoroughly once a second, and glanced at in between where that shows as much."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from autrt.face.coarse_to_fine import CLEAR
from autrt.face.detect import FRAME_CANVASES, Letterbox
from autrt.face.detection_schedule import DetectionSchedule
from autrt.face.track import track
from autrt.types import Faces
from tests.support.world import Oracle, Person, film

K = 6
SIDE = CLEAR.side_px * 4  # a canvas of 160 pixels for a frame of 640
LARGE, SMALL = SIDE + 8, SIDE - 8


class Glances(Oracle):
    """An oracle that sees clear faces alone, on a canvas."""

    def __init__(self, people, blind=lambda number: False):
        super().__init__([p for p in people if p.side >= SIDE])
        self.everybody, self.blind = self.people, blind

    def letterbox(self, image, pixel_aspect=Fraction(1)):
        return Letterbox.fit(image.width, image.height, FRAME_CANVASES["coarse"], pixel_aspect)

    def submit(self, image, pixel_aspect=Fraction(1)):
        self.people = [] if self.blind(image.number) else self.everybody
        return super().submit(image, pixel_aspect)


def follow(people, length=121, blind=lambda number: False, look_ahead=None, **film_kwargs):
    thorough, quick = Oracle(people), Glances(people, blind)
    segments = list(track(film(length, **film_kwargs), DetectionSchedule(thorough, quick), K, look_ahead))
    return Faces.concatenate([s.faces for s in segments]), thorough.asked, quick.asked


def plain(people, length=121, **film_kwargs):
    segments = track(film(length, **film_kwargs), DetectionSchedule(Oracle(people)), K)
    return Faces.concatenate([s.faces for s in segments])


def assert_equal(a, b):
    assert (a.row.tolist(), a.track.tolist()) == (b.row.tolist(), b.track.tolist())
    np.testing.assert_allclose(a.landmarks, b.landmarks, atol=1e-3)


def test_a_large_face_is_searched_for_once_a_second_and_glanced_at_in_between():
    people = [Person(x=lambda i: 100 + i, side=LARGE)]
    faces, thorough, quick = follow(people)
    assert thorough == [0, 30, 60, 90, 120]
    assert sorted(quick) == list(range(0, 121, K))
    assert_equal(faces, plain(people))


def test_a_small_face_is_always_searched_for():
    people = [Person(x=lambda i: 100, side=LARGE), Person(x=lambda i: 400, side=SMALL)]
    faces, thorough, quick = follow(people)
    assert thorough == list(range(0, 121, K))
    assert quick == []
    assert_equal(faces, plain(people))


def test_nobody_in_sight_is_searched_for_every_time():
    faces, thorough, _ = follow([Person(x=lambda i: 100, side=LARGE, seen=lambda i: i > 45)])
    assert set(range(0, 60, K)) <= set(thorough)
    assert faces.row.tolist() == list(range(46, 121))


@pytest.mark.parametrize("side", [LARGE, SMALL])
def test_a_face_that_comes_later_is_found_within_the_second(side):
    people = [
        Person(x=lambda i: 20, side=LARGE),
        Person(x=lambda i: 400, side=side, seen=lambda i: i >= 40),
    ]
    faces, _, _ = follow(people)
    first = faces.row[faces.track == 1].min()
    assert first == 40 if side == LARGE else 40 <= first <= 60


def test_a_face_that_goes_is_missed_at_once():
    people = [Person(x=lambda i: 20, side=LARGE), Person(x=lambda i: 400, side=LARGE, seen=lambda i: i < 40)]
    faces, _, _ = follow(people)
    assert faces.row[faces.track == 1].max() == 39


def test_where_a_glance_shows_less_the_thorough_look_counts():
    people = [Person(x=lambda i: 100 + i, side=LARGE)]
    faces, thorough, _ = follow(people, blind=lambda number: 40 < number < 60)
    assert {42, 48, 54} < set(thorough)
    assert_equal(faces, plain(people))


def test_after_a_cut_nothing_is_taken_for_known():
    people = [
        Person(x=lambda i: 100, side=LARGE),
        Person(x=lambda i: 420, side=SMALL, seen=lambda i: i >= 40),
    ]
    faces, thorough, _ = follow(people, scene=lambda number: int(number >= 40))
    assert 40 in thorough
    assert faces.row[faces.track == 2].tolist() == list(range(40, 121))


@pytest.mark.parametrize("look_ahead", [1, 5, 60])
def test_looking_ahead_changes_nothing(look_ahead):
    people = [
        Person(x=lambda i: 20 + i, side=LARGE),
        Person(x=lambda i: 400, side=SMALL, seen=lambda i: 40 <= i < 90),
    ]
    assert_equal(follow(people)[0], follow(people, look_ahead=look_ahead)[0])
