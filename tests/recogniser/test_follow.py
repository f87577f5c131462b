"""Following faces without looking ahead, and smoothing by the past alone, with fake networks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.model.folder import load_model
from autrt.recogniser.arrays import picture_frame
from autrt.recogniser.follow import FaceFollower
from autrt.recogniser.trailing_smoothing import TrailingSmoother
from autrt.template import ARCFACE_112
from tests.support.fakes_run import BOX, LANDMARKS, FakeDetector, FakeEngine, fake_networks


def texture(seed: int, height: int, width: int, channels: int) -> np.ndarray:
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (12, 16, channels)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)


GREY = np.full((240, 320, 3), 90, np.uint8)


class Head:
    """A landmark head that sees the face `shift_px` beside where the crop was cut out."""

    def __init__(self) -> None:
        self.shift_px, self.presence = 0.0, 5.0

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        n = len(crops)
        landmarks = np.repeat((ARCFACE_112 + np.array([self.shift_px, 0]))[None], n, axis=0).astype(
            np.float32
        )
        return {"landmarks": landmarks, "presence": np.full((n, 1), self.presence, np.float32)}


class Followed:
    """A follower at 25 frames a second, with a detector and a head that tests can change."""

    def __init__(self, *, with_head: bool = True) -> None:
        self.head, self.detector = Head(), FakeDetector()
        engine = FakeEngine(("AU1", "AU2"), head=self.head if with_head else lambda crops: {})
        self.follower = FaceFollower(fake_networks(engine, self.detector), 0.2)
        self.index = 0

    def frame(self, picture=GREY):
        """Return the faces of the next frame."""
        frame = picture_frame(picture.astype(np.uint8), self.index, self.index / 25)
        faces, logits = self.follower.follow(frame)
        assert logits.shape == (len(faces), 1, 2)
        self.index += 1
        return faces


def test_follower_detects_every_fifth_of_a_second():
    followed = Followed()
    sources = [followed.frame().source.tolist() for _ in range(11)]
    assert sources == [[0], [1], [1], [1], [1]] * 2 + [[0]]
    assert followed.detector.calls == 3


def test_follower_moves_a_face_to_where_the_head_sees_it():
    followed = Followed()
    followed.head.shift_px = 1.0  # the head's own opinion about this person, at the detection
    followed.frame()
    followed.head.shift_px = 4.0
    moved = followed.frame()
    assert moved.source.tolist() == [2]
    np.testing.assert_allclose(moved.landmarks, LANDMARKS + np.array([3, 0]), atol=1e-3)
    np.testing.assert_allclose(moved.boxes, BOX + np.array([3, 0, 3, 0]), atol=1e-3)
    assert followed.detector.calls == 1


@pytest.mark.parametrize(("shift_px", "presence"), [(30.0, 5.0), (0.0, -1.0)])
def test_follower_detects_at_once_where_a_face_is_in_doubt(shift_px, presence):
    followed = Followed()
    followed.frame()
    followed.head.shift_px, followed.head.presence = shift_px, presence
    assert followed.frame().source.tolist() == [0]
    assert followed.detector.calls == 2


def test_follower_without_a_landmark_head_detects_in_every_frame():
    followed = Followed(with_head=False)
    assert [followed.frame().source.tolist() for _ in range(4)] == [[0]] * 4


def test_follower_looks_for_nobody_only_on_detection_frames():
    followed = Followed()
    followed.detector.boxes, followed.detector.landmarks = BOX[:0], LANDMARKS[:0]
    assert [len(followed.frame()) for _ in range(10)] == [0] * 10
    assert followed.detector.calls == 2


@pytest.mark.parametrize(("frames_away", "track"), [(50, 0), (100, 1)])
def test_follower_knows_a_face_again_for_three_seconds(frames_away, track):
    followed = Followed()
    followed.frame()
    followed.detector.boxes, followed.detector.landmarks = BOX[:0], LANDMARKS[:0]
    for _ in range(frames_away):
        followed.frame()
    followed.detector.boxes, followed.detector.landmarks = BOX, LANDMARKS
    found = [followed.frame() for _ in range(6)][-1]
    assert found.track.tolist() == [track]


def test_follower_numbers_new_faces_from_left_to_right():
    followed = Followed()
    left = np.array([-90, 0], np.float32)
    followed.detector.boxes = np.concatenate([BOX, BOX + np.tile(left, 2)])
    followed.detector.landmarks = np.concatenate([LANDMARKS, LANDMARKS + left])
    faces = followed.frame()
    assert faces.track.tolist() == [0, 1]
    assert faces.boxes[0, 0] < faces.boxes[1, 0]


def test_a_face_that_turns_into_another_person_gets_another_track():
    followed = Followed()
    scenes = [texture(seed, 240, 320, 3) for seed in (0, 1)]
    tracks = [int(followed.frame(scenes[i >= 25]).track[0]) for i in range(60)]
    assert set(tracks) == {0, 1}
    assert tracks == sorted(tracks)
    assert 25 < tracks.index(1) <= 25 + 15


def test_a_face_in_another_light_keeps_its_track():
    followed = Followed()
    scene = texture(0, 240, 320, 3)
    lit = [np.clip(scene * (1 if i < 25 else 0.4), 0, 255) for i in range(60)]
    assert {int(followed.frame(picture).track[0]) for picture in lit} == {0}


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1 / 30, 1 / 25, 0.02]), min_size=1, max_size=60), seed=st.integers(0, 9)
)
def test_trailing_means_are_those_of_the_last_frames(steps, seed):
    model = load_model("student")
    times = np.cumsum(steps)
    logits = np.random.default_rng(seed).normal(size=(len(times), 12)).astype(np.float32)
    smoother = TrailingSmoother(model)
    track = np.zeros(1, np.int32)
    found = [smoother.smooth(track, t, row[None])[0] for t, row in zip(times, logits, strict=True)]
    for au, window in enumerate(model.smoothing_windows.tolist()):
        past = times >= times[-1] - (window - 1) / 30 - 1 / 120
        np.testing.assert_allclose(found[-1][au], logits[past, au].mean(), atol=1e-5)


def test_trailing_means_cross_no_gap():
    smoother, track = TrailingSmoother(load_model("student")), np.zeros(1, np.int32)
    for i in range(10):
        smoother.smooth(track, i / 30, np.full((1, 12), 5, np.float32))
    np.testing.assert_array_equal(smoother.smooth(track, 0.55, np.zeros((1, 12), np.float32)), 0)
