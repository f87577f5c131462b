"""People of tracks, on made-up appearances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrt.face.people import SAMPLES_MIN, UNSURE, People, counted_anew
from autrt.types import DETECTED, AppearanceSamples, Faces


def look(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=(4, 32)).astype(np.float32)
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


@dataclass(frozen=True)
class Shown:
    """A track from one row to another that looks like somebody."""

    first: int
    last: int
    look: np.ndarray
    n_samples: int = SAMPLES_MIN


def people(*tracks: Shown) -> list[int]:
    gathered = People()
    for track, shown in enumerate(tracks):
        rows = np.arange(shown.first, shown.last + 1, dtype=np.int64)
        n = len(rows)
        faces = Faces(
            row=rows,
            boxes=np.zeros((n, 4), np.float32),
            landmarks=np.zeros((n, 5, 2), np.float32),
            score=np.ones(n, np.float32),
            track=np.full(n, track, np.int32),
            source=np.full(n, DETECTED, np.uint8),
        )
        sampled = np.arange(shown.n_samples, dtype=np.int64)
        gathered.add(faces, AppearanceSamples(sampled, np.repeat(shown.look[None], len(sampled), axis=0)))
    return gathered.numbers().tolist()


def test_a_person_who_comes_back_has_the_same_number():
    assert people(Shown(0, 9, look(0)), Shown(10, 19, look(1)), Shown(20, 29, look(0))) == [0, 1, 0]


def test_who_is_seen_at_one_time_is_two_people():
    first, second = people(Shown(0, 9, look(0)), Shown(5, 19, look(0)))
    assert first != second


def test_a_short_track_is_nobody():
    assert people(Shown(0, 9, look(0)), Shown(10, 19, look(0), SAMPLES_MIN - 1)) == [0, UNSURE]


def test_between_like_and_unlike_nothing_is_said():
    half = look(0) + 2 * look(1)
    assert people(Shown(0, 9, look(0)), Shown(10, 19, half)) == [0, UNSURE]


def test_who_is_like_two_people_is_neither():
    alike = look(0) + 0.3 * look(1)
    assert people(Shown(0, 9, look(0)), Shown(0, 9, alike), Shown(10, 19, look(0) + alike))[2] == UNSURE


def test_a_video_without_samples_knows_nobody():
    assert people(Shown(0, 9, look(0), 0), Shown(0, 9, look(1), 0)) == [UNSURE, UNSURE]
    assert People().numbers().tolist() == []


def test_people_are_counted_anew_by_first_appearance():
    assert counted_anew(np.array([3, -1, 1, 3], np.int32)).tolist() == [0, -1, 1, 0]
