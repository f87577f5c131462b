"""Following faces: what the design promises of detection frames, interpolation, bisection, gaps and ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from autrt.face.detect import iou_matrix
from autrt.face.detection_schedule import DetectionSchedule
from autrt.face.track import DETECTIONS_AHEAD, SAME_IOU, match, track
from autrt.settings import DetectionInterval
from autrt.types import DETECTED, INTERPOLATED, Detections, Faces
from tests.support.fakes import ScriptedDetector, ScriptedFace, scripted_frames

K = 6


def follow(people, length=60, every=K, look_ahead=DETECTIONS_AHEAD, **script):
    oracle = ScriptedDetector(people)
    interval = every if isinstance(every, DetectionInterval) else DetectionInterval(frames=every)
    segments = list(track(scripted_frames(length, **script), DetectionSchedule(oracle), interval, look_ahead))
    assert np.concatenate([[], *(s.index for s in segments)]).tolist() == list(range(length))
    return Faces.concatenate([s.faces for s in segments]), oracle, segments


def rows_of(faces, number):
    return set(faces.row[faces.track == number].tolist())


def test_steady_face_is_detected_on_detection_frames_only():
    faces, oracle, _ = follow([ScriptedFace(x=lambda i: 100 + i)])
    assert sorted(oracle.calls) == [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 59]
    assert rows_of(faces, 0) == set(range(60))
    detected = faces.row[faces.source == DETECTED]
    assert sorted(oracle.calls) == detected.tolist()
    assert set(faces.source[~np.isin(faces.row, oracle.calls)]) == {INTERPOLATED}


@pytest.mark.parametrize(("rate", "every"), [(30.0, 6), (100.0, 20), (2.0, 1)])
def test_steady_face_is_detected_every_interval_by_time(rate, every):
    interval = DetectionInterval(seconds=0.2)
    _, oracle, _ = follow([ScriptedFace(x=lambda i: 100)], every=interval, rate=rate)
    assert sorted(oracle.calls) == sorted({*range(0, 60, every), 59})


def test_interpolation_is_linear_in_time():
    person = ScriptedFace(x=lambda i: 100 + 2 * i)
    faces, _, _ = follow([person])
    np.testing.assert_allclose(faces.boxes, [person.box(i) for i in range(60)], atol=1e-3)
    np.testing.assert_allclose(faces.landmarks, [person.landmarks(i) for i in range(60)], atol=1e-3)
    np.testing.assert_allclose(faces.score, 0.9, atol=1e-6)


@pytest.mark.parametrize(("begin", "end"), [(0, 60), (7, 41), (11, 12), (30, 31), (3, 4), (59, 60)])
def test_a_face_appears_and_vanishes_on_the_exact_frame(begin, end):
    anchor = ScriptedFace(x=lambda i: 400)
    # One frame of a face between two detection frames can only be known where a bisection passes.
    guest = ScriptedFace(x=lambda i: 100, seen=lambda i: begin <= i < end)
    faces, _, _ = follow([anchor, guest])
    seen = rows_of(faces, 1 if begin else 0)
    asked_inside = any(i % K == 0 or i == 59 for i in range(begin, end))
    assert seen == (set(range(begin, end)) if asked_inside else set())


def test_fast_motion_is_bisected_down_to_frames_that_agree():
    person = ScriptedFace(x=lambda i: 100 if i < 27 else 160)
    faces, oracle, _ = follow([person])
    np.testing.assert_allclose(faces.boxes[:, 0], [person.x(i) for i in range(60)], atol=1e-3)
    assert {26, 27} <= set(oracle.calls)
    assert set(faces.track) == {0}


def test_track_of_a_face_that_comes_back_soon_keeps_its_id():
    faces, _, _ = follow([ScriptedFace(x=lambda i: 100, seen=lambda i: not 20 <= i < 50)], 200)
    assert set(faces.track) == {0}
    faces, _, _ = follow([ScriptedFace(x=lambda i: 100, seen=lambda i: not 20 <= i < 150)], 200)
    assert set(faces.track) == {0, 1}


def test_a_face_that_comes_back_elsewhere_is_a_new_one():
    faces, _, _ = follow([ScriptedFace(x=lambda i: 50 if i < 25 else 400, seen=lambda i: not 20 <= i < 30)])
    assert set(faces.track) == {0, 1}


def test_cut_ends_every_track_between_two_detection_frames():
    faces, oracle, segments = follow([ScriptedFace(x=lambda i: 100)], scene=lambda i: int(i >= 33))
    assert rows_of(faces, 0) == set(range(33))
    assert rows_of(faces, 1) == set(range(33, 60))
    assert {32, 33} <= set(oracle.calls)
    assert [s.first_row for s in segments if len(s.index) == 1] == [0, 33]


def test_ids_count_by_first_appearance_ties_left_to_right():
    people = [
        ScriptedFace(x=lambda i: 500),
        ScriptedFace(x=lambda i: 20),
        ScriptedFace(x=lambda i: 250, seen=lambda i: i >= 12),
    ]
    faces, _, _ = follow(people)
    first = {t: float(faces.boxes[faces.track == t][0, 0]) for t in (0, 1, 2)}
    assert first == {0: 20, 1: 500, 2: 250}
    order = np.lexsort((faces.track, faces.row))
    assert (order == np.arange(len(faces))).all()


def test_an_uncertain_face_is_followed_but_starts_no_track():
    person = ScriptedFace(x=lambda i: 100, score=0.4)
    assert len(follow([person])[0]) == 0

    bold, shy = (
        ScriptedFace(x=lambda i: 100, seen=lambda i: i < 20),
        ScriptedFace(x=lambda i: 100, seen=lambda i: i >= 20, score=0.4),
    )
    faces, _, _ = follow([bold, shy])
    assert rows_of(faces, 0) == set(range(60))


def test_no_frames_and_one_frame():
    assert list(track([], DetectionSchedule(ScriptedDetector([])), DetectionInterval(frames=K))) == []
    faces, oracle, _ = follow([ScriptedFace(x=lambda i: 100)], 1)
    assert rows_of(faces, 0) == {0}
    assert oracle.calls == [0]


people = st.lists(
    st.builds(
        lambda x, v, y, begin, length: ScriptedFace(
            x=lambda i: x + v * i, y=y, side=50.0, seen=lambda i: begin <= i < begin + length
        ),
        x=st.floats(0, 500),
        v=st.floats(-3, 3),
        y=st.sampled_from([10.0, 110.0, 210.0]),
        begin=st.integers(0, 70),
        length=st.integers(1, 90),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(people=people, every=st.integers(1, 12), look_ahead=st.integers(0, 30), cut=st.integers(1, 100))
def test_tracks_are_ordered_unique_and_independent_of_look_ahead(people, every, look_ahead, cut):
    args = {"length": 80, "every": every, "scene": lambda i: int(i >= cut)}
    faces, oracle, _ = follow(people, look_ahead=look_ahead, **args)
    again, _, _ = follow(people, **args)
    for name in ("row", "boxes", "landmarks", "score", "track", "source"):
        np.testing.assert_array_equal(getattr(faces, name), getattr(again, name))
    keys = list(zip(faces.row.tolist(), faces.track.tolist(), strict=True))
    assert keys == sorted(set(keys))
    ids = list(dict.fromkeys(faces.track.tolist()))
    assert ids == list(range(len(ids)))
    assert len(oracle.calls) == len(set(oracle.calls))
    for t in ids:
        rows = sorted(rows_of(faces, t))
        assert not rows or not (rows[0] < cut <= rows[-1])


@settings(max_examples=30, deadline=None)
@given(people=people)
def test_detecting_on_every_frame_finds_exactly_the_truth(people):
    faces, _, _ = follow(people, 80, every=1)
    truth = sorted(i for p in people for i in range(80) if p.seen(i))
    assert sorted(faces.row.tolist()) == truth
    assert (faces.source == DETECTED).all()


def some_faces(rng: np.random.Generator, count: int) -> Detections:
    corners = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 60, (count, 2))], 1).astype(np.float32)
    return Detections(boxes, np.zeros((count, 5, 2), np.float32), np.ones(count, np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(0, 8))
def test_match_has_the_largest_total_overlap(seed, before, after):
    """Against SciPy's assignment, of what an overlap is worth above the least that counts."""
    rng = np.random.default_rng(seed)
    a, b = some_faces(rng, before), some_faces(rng, after)
    overlap = iou_matrix(a.boxes, b.boxes).astype(np.float64)
    worth = np.maximum(overlap - SAME_IOU, 0)
    found = match(a, b)
    assert len(set(found.values())) == len(found)
    assert all(overlap[i, j] >= SAME_IOU for i, j in found.items())
    best = worth[linear_sum_assignment(-worth)].sum() if before and after else 0.0
    assert sum(worth[i, j] for i, j in found.items()) == pytest.approx(best, abs=1e-6)
