"""The baselines of all tracks from one pass over the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.pipeline.track_baselines import track_baselines
from autrt.postprocess.baseline import BASELINE_MIN_S, baseline
from autrt.postprocess.ensemble import combine
from autrt.results.spool import Spool
from tests.support.rows import make_block, split

WEIGHTS = np.array([[1, 0.5, 0], [1, 0.5, 1]], np.float32)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 100),
    n_frames=st.integers(0, 600),
    n_tracks=st.integers(1, 4),
    frames_per_block=st.integers(1, 300),
    percentile=st.sampled_from([0.0, 5.0, 20.0, 50.0, 100.0]),
)
def test_track_baselines_equal_those_of_each_track_alone(
    tmp_path_factory, seed, n_frames, n_tracks, frames_per_block, percentile
):
    folder, block = tmp_path_factory.mktemp("out"), make_block(n_frames, n_tracks, seed=seed)
    with Spool(folder, 2, 3) as spool:
        for part in split(block, [100, 101, 350]):
            spool.append(part)
        found = track_baselines(spool.blocks(frames_per_block), block.time_s, WEIGHTS, percentile, folder)
    assert found.shape == (block.faces.track.max(initial=-1) + 1, 3)
    logits, time_s = combine(block.member_logits, WEIGHTS), block.time_s[block.faces.row]
    for track, row in enumerate(found):
        own = block.faces.track == track
        np.testing.assert_array_equal(row, baseline(logits[own], np.ptp(time_s[own]), percentile))
    assert list(folder.iterdir()) == []


def test_track_baselines_iterate_the_spans_once(tmp_path):
    with Spool(tmp_path, 2, 3) as spool:
        block = make_block(2000)
        spool.append(block)
        spans = iter(list(spool.blocks(100)))
        found = track_baselines(spans, block.time_s, WEIGHTS, 20.0, tmp_path)
    assert np.isfinite(found).all()
    assert next(spans, None) is None


@pytest.mark.parametrize(("margin_s", "known"), [(-0.1, False), (0.1, True)])
def test_track_baselines_of_short_tracks_are_missing(tmp_path, margin_s, known):
    block = make_block(200, n_tracks=1)
    first, last = block.faces.row[[0, -1]]
    time_s = np.arange(200) * (BASELINE_MIN_S + margin_s) / (last - first)
    with Spool(tmp_path, 2, 3) as spool:
        spool.append(replace(block, time_s=time_s))
        found = track_baselines(spool.blocks(), time_s, WEIGHTS, 20.0, tmp_path)
    assert np.isfinite(found).all() == known
