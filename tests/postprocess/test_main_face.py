"""The largest faces of a video, against the definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autrt.postprocess.main_face import areas_by_track, largest_faces, main_faces, rank_tracks


@st.composite
def face_tables(draw):
    """Frames, tracks and box sides of faces in any order, no track twice in a frame."""
    keys = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), unique=True, max_size=20))
    sides = draw(st.lists(st.integers(1, 4), min_size=len(keys), max_size=len(keys)))
    frame, track = np.array(keys, np.int64).reshape(-1, 2).T
    return frame, track.astype(np.int32), np.array(sides, np.float32)


def slow_ranks(track, side):
    """The tracks by falling median area, then by id."""
    ids = sorted(set(track.tolist()))
    return sorted(ids, key=lambda t: (-float(np.median(side[track == t] ** 2)), t))


def squares(side):
    """Boxes of some sides."""
    return np.stack([side * 0, side * 0, side, side], axis=1)


def ranks_of(track, side):
    return rank_tracks(areas_by_track(track, squares(side)))


@given(face_tables())
def test_rank_tracks_is_by_median_area_then_id(table):
    _, track, side = table
    ranks = ranks_of(track, side)
    assert sorted(ranks, key=ranks.__getitem__) == slow_ranks(track, side)


@given(face_tables(), st.integers(1, 4))
def test_largest_faces_are_those_of_the_largest_tracks(table, most):
    frame, track, side = table
    order = slow_ranks(track, side)
    kept = largest_faces(frame, track, ranks_of(track, side), most)
    for number in set(frame.tolist()):
        here = sorted(track[frame == number].tolist(), key=order.index)
        assert set(track[kept & (frame == number)].tolist()) == set(here[:most])


@given(face_tables())
def test_main_faces_are_the_largest_one_of_each_frame(table):
    frame, track, side = table
    expected = largest_faces(frame, track, ranks_of(track, side), 1)
    np.testing.assert_array_equal(main_faces(frame, track, squares(side)), expected)
