"""The spool returns the rows that it took, in even pieces with a halo."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.results.spool import Spool
from autrt.types import Block, Faces
from tests.support.results import names_in, video


def assert_equal(found: Block, expected: Block) -> None:
    for name in ("index", "pts", "time_s", "damaged", "member_logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)
    for field in fields(Faces):
        column = getattr(found.faces, field.name)
        np.testing.assert_array_equal(column, getattr(expected.faces, field.name), strict=True)


def slow_cut(block: Block, first: int, last: int) -> Block:
    """Frames first…last−1, row by row."""
    rows = np.array([i for i, r in enumerate(block.faces.row) if first <= r < last], np.int64)
    frames = slice(first, last)
    return Block(
        index=block.index[frames],
        pts=block.pts[frames],
        time_s=block.time_s[frames],
        damaged=block.damaged[frames],
        faces=block.faces[rows],
        outputs={"logits": block.member_logits[rows]},
    )


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), max_size=50),
    taken=st.integers(1, 60),
    given_=st.integers(1, 60),
    crowd=st.integers(1, 200),
    halo_s=st.sampled_from([0.0, 0.03, 0.2, 100.0]),
)
def test_pieces_with_halo_are_those_of_the_whole(tmp_path_factory, counts, taken, given_, crowd, halo_s):
    made = video(counts)
    with Spool(tmp_path_factory.mktemp("out"), 2, 3) as spool:
        for block, _ in made.pieces(taken):
            spool.append(block)
        assert (spool.n_frames, spool.n_faces) == (len(counts), sum(counts))
        np.testing.assert_array_equal(spool.times(), made.block.time_s)
        for _ in range(2):  # as often as wanted
            done = 0
            for span in spool.blocks(given_, halo_s, crowd):
                n = len(span.inner.index)
                assert 1 <= n <= given_
                assert n == 1 or sum(counts[done : done + n]) <= crowd
                times = made.block.time_s
                inside = (times >= times[done] - halo_s) & (times <= times[done + n - 1] + halo_s)
                low, high = np.flatnonzero(inside)[[0, -1]]
                assert span.first_row == low
                assert_equal(span.block, slow_cut(made.block, low, high + 1))
                assert_equal(span.inner, slow_cut(made.block, done, done + n))
                done += n
            assert done == len(counts)


def test_pieces_do_not_depend_on_what_came_in(tmp_path):
    made = video([1, 0, 3] * 2000)
    shapes = []
    for size in (7, 6000):
        with Spool(tmp_path, 2, 3) as spool:
            for block, _ in made.pieces(size):
                spool.append(block)
            shapes.append([(s.frames, s.faces, s.first_row) for s in spool.blocks(1000, 0.5)])
    assert shapes[0] == shapes[1]


def test_spool_leaves_no_named_file(tmp_path):
    with Spool(tmp_path / "new" / "folder", 2, 3) as spool:
        spool.append(video([1] * 100).block)
        assert names_in(tmp_path / "new" / "folder") == []
        assert list(spool.blocks()) != []


def test_spool_without_frames(tmp_path):
    with Spool(tmp_path, 1, 1) as spool:
        assert list(spool.blocks()) == []
        assert spool.times().shape == (0,)


def test_rows_of_other_frames_are_refused(tmp_path):
    block = video([1, 1]).block
    with Spool(tmp_path, 2, 3) as spool:
        spool.append(block)
        with pytest.raises(ValueError, match=r"frames 2…3"):
            spool.append(block)
        with pytest.raises(ValueError, match="outputs of"):
            spool.append(replace(block, outputs={"logits": block.member_logits[:, :1]}))
        assert (spool.n_frames, spool.n_faces) == (2, 2)
