"""From raw rows to a results file, against the same done at once in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.pipeline.sink import ResultsSink
from autrt.postprocess.baseline import NEUTRAL_LOGIT
from autrt.postprocess.ensemble import combine, sigmoid
from autrt.postprocess.smooth import median_interval_s, smooth
from autrt.postprocess.temporal import temporal_logits
from autrt.results.reader import open_results
from autrt.results.schema import FEATURES, Column
from autrt.results.spool import Spool
from autrt.results.verification.verify import verify
from autrt.types import Block, Faces, Loss
from tests.support.rows import make_block, make_header, split
from tests.support.ticks import small_ticks

WEIGHTS = np.array([[1, 0.5, 0], [1, 0.5, 1]], np.float32)


def written(folder, blocks, header=None, **options):
    sink = ResultsSink(folder / "a.mp4.h5", header or make_header(), WEIGHTS, **options)
    for block in blocks:
        sink.write(block)
    path = sink.finish([Loss(1.0, 2, "broken")], 3)
    assert verify(path) == []
    assert [p.name for p in folder.iterdir()] == ["a.mp4.h5"]
    with open_results(path) as results:
        return {
            f"{name}/{column}": getattr(results, name)[column]
            for name in ("frames", "faces", "tracks", "lost")
            for column in getattr(results, name).columns
        }


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 9000), max_size=30), seed=st.integers(0, 100))
def test_sink_writes_the_same_file_however_rows_arrive(tmp_path_factory, cuts, seed):
    block = make_block(9000, seed=seed)
    columns = written(tmp_path_factory.mktemp("out"), split(block, cuts))
    logit = combine(block.member_logits, WEIGHTS)
    np.testing.assert_array_equal(columns["faces/logit"], logit)
    np.testing.assert_array_equal(columns["faces/probability"], sigmoid(logit))
    times = block.time_s[block.faces.row]
    smoothed = sigmoid(smooth(logit, block.faces.track, times, (10, 1, 24), median_interval_s(block.time_s)))
    np.testing.assert_allclose(columns["faces/smoothed"], smoothed, atol=1e-6)
    np.testing.assert_array_equal(
        columns["faces/active"], columns["faces/smoothed"] >= np.array([0.5, 0.4, 0.6], np.float32)
    )
    np.testing.assert_array_equal(columns["frames/n_faces"], np.bincount(block.faces.row, minlength=9000))
    np.testing.assert_array_equal(columns["faces/box"], block.faces.boxes)


def test_sink_smooths_in_the_domain_of_the_header(tmp_path):
    block = make_block(500)
    columns = written(tmp_path, [block], make_header(smoothing_domain="probability"))
    probability = sigmoid(combine(block.member_logits, WEIGHTS))
    times = block.time_s[block.faces.row]
    expected = smooth(probability, block.faces.track, times, (10, 1, 24), median_interval_s(block.time_s))
    np.testing.assert_allclose(columns["faces/smoothed"], expected, atol=1e-6)


@pytest.mark.parametrize("most", [1, 2])
def test_sink_keeps_the_largest_faces_and_renumbers_tracks(tmp_path, most):
    block = make_block(6000, n_tracks=4)
    columns = written(tmp_path, split(block, [10, 5000]), max_faces=most)
    frame, track = columns["faces/frame"], columns["faces/track"]
    expected, ids = [], {}
    for row in range(6000):
        here = sorted(block.faces.track[block.faces.row == row].tolist(), reverse=True)[:most]
        for t in sorted(here):
            ids.setdefault(t, len(ids))
        expected += sorted((row, ids[t]) for t in here)
    assert list(zip(frame.tolist(), track.tolist(), strict=True)) == expected
    assert columns["tracks/id"].tolist() == sorted(set(ids.values()))


def test_sink_baseline_is_a_long_tracks_percentile(tmp_path):
    block = make_block(3000, n_tracks=2)
    header = make_header(baseline="p20", smoothing_windows=(1, 1, 1))
    columns = written(tmp_path, [block], header, baseline_percentile=20.0)
    logit = combine(block.member_logits, WEIGHTS)
    for t in (0, 1):
        rows = block.faces.track == t
        base = np.percentile(logit[rows], 20, axis=0)
        np.testing.assert_allclose(columns["tracks/baseline"][t], base, rtol=1e-5)
        np.testing.assert_allclose(
            columns["faces/smoothed"][rows], sigmoid(logit[rows] - base + NEUTRAL_LOGIT), atol=1e-5
        )
    np.testing.assert_array_equal(columns["faces/logit"], logit)
    short = written(tmp_path, [make_block(60, n_tracks=1)], header, baseline_percentile=20.0)
    assert np.isnan(short["tracks/baseline"]).all()


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, 1),
        ({"max_faces": 1}, 2),
        ({"baseline_percentile": 20.0}, 2),
        ({"max_faces": 1, "baseline_percentile": 20.0}, 3),
    ],
)
def test_sink_reads_its_rows_once_for_each_option(tmp_path, monkeypatch, options, passes):
    calls = []
    blocks = Spool.blocks

    def counted(spool, *args, **kwargs):
        calls.append(args)
        return blocks(spool, *args, **kwargs)

    monkeypatch.setattr(Spool, "blocks", counted)
    header = make_header(baseline="p20" if "baseline_percentile" in options else "none")
    written(tmp_path, [make_block(300)], header, **options)
    assert len(calls) == passes


def test_sink_selects_outputs_together_with_faces(tmp_path):
    likeness = Column("faces", "likeness", "float32", "1", "0 to 1", optional=True, output="likeness")
    block = make_block(5000, n_tracks=3)
    values = np.arange(len(block.faces), dtype=np.float32)
    block = replace(block, outputs=block.outputs | {"likeness": values})
    columns = written(tmp_path, split(block, [77, 4500]), max_faces=1, outputs=[likeness])
    np.testing.assert_array_equal(
        block.faces.boxes[columns["faces/likeness"].astype(int)], columns["faces/box"]
    )


def test_sink_keeps_members_on_request(tmp_path):
    block = make_block(300)
    columns = written(tmp_path, [block], keep_members=True)
    np.testing.assert_array_equal(columns["faces/member_logit"], block.member_logits)


@pytest.mark.parametrize("options", [{}, {"max_faces": 1}, {"baseline_percentile": 20.0}])
def test_sink_of_no_faces_or_no_frames_writes_a_whole_file(tmp_path, options):
    header = make_header(baseline="p20" if options.get("baseline_percentile") else "none")
    nobody = Block(
        index=np.arange(5),
        pts=np.arange(5),
        time_s=np.arange(5) / 30,
        damaged=np.zeros(5, bool),
        faces=Faces.empty(),
        outputs={"logits": np.empty((0, 2, 3), np.float32)},
    )
    assert written(tmp_path, [nobody], header, **options)["frames/n_faces"].tolist() == [0] * 5
    assert len(written(tmp_path, [], header, **options)["frames/index"]) == 0


def test_sink_marks_frames_only_where_some_are_damaged(tmp_path):
    block = make_block(50)
    assert written(tmp_path, [block])["frames/damaged"].tolist() == block.damaged.tolist()
    assert "frames/damaged" not in written(tmp_path, [replace(block, damaged=np.zeros(50, bool))])


def test_sink_abandoned_leaves_nothing(tmp_path):
    sink = ResultsSink(tmp_path / "deep" / "a.h5", make_header(), WEIGHTS)
    sink.write(make_block(100))
    sink.abandon()
    assert list((tmp_path / "deep").iterdir()) == []


@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(1, 5000), max_size=20), features=st.sampled_from([0, 4]))
def test_sink_takes_a_temporal_network_in_place_of_windows_however_rows_arrive(
    tmp_path_factory, cuts, features
):
    block = make_block(5000)
    seen = np.random.default_rng(0).normal(size=(len(block.faces), 4)).astype(np.float32)
    block = replace(block, outputs={**block.outputs, "features": seen})
    network = small_ticks(features=features)
    columns = written(tmp_path_factory.mktemp("out"), split(block, cuts), temporal=network)
    logit, times = combine(block.member_logits, WEIGHTS), block.time_s[block.faces.row]
    expected = temporal_logits(
        network, logit, seen if features else None, block.faces.track, times, median_interval_s(block.time_s)
    )
    np.testing.assert_array_equal(columns["faces/smoothed"], sigmoid(expected))
    assert "faces/features" not in columns


def test_sink_stores_features_as_float16_where_they_are_asked_for(tmp_path):
    block = make_block(300)
    seen = np.random.default_rng(0).normal(size=(len(block.faces), 4)).astype(np.float32)
    seen[0] = 1e6, -1e6, 0, 1
    block = replace(block, outputs={**block.outputs, "features": seen})
    columns = written(tmp_path, split(block, [100]), outputs=(replace(FEATURES, tail=(4,)),))
    expected = np.clip(seen, -65504, 65504).astype(np.float16)
    assert columns["faces/features"].dtype == np.float16
    np.testing.assert_array_equal(columns["faces/features"], expected)
