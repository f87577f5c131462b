"""The timeline of a report: lanes without overlap, bins that keep peaks, breaks at gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autrt.report.timeline import NO_FACE, WITHIN, make_timeline
from autrt.results.reader import open_results
from tests.support.results import results_file, video_file

SEEN = st.dictionaries(st.integers(0, 30), st.floats(0, 1, width=32), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(tracks=st.dictionaries(st.integers(0, 9), SEEN, min_size=1, max_size=5), most=st.integers(1, 200))
@example(tracks={0: {0: 1.0}, 1: {1: 0.0}}, most=1)  # one track after another in one bin
def test_bins_keep_the_largest_value_of_each_lane(tmp_path_factory, tracks, most):
    path = video_file(tmp_path_factory.mktemp("t") / "a.h5", tracks, 31)
    with open_results(path) as results:
        line = make_timeline(results, {0: ()}, most)
    assert line.hidden_tracks == 0
    assert sorted(t for lane in line.lanes for t, _, _ in lane.tracks) == sorted(tracks)
    n_bins = -(-31 // line.frames_per_bin)
    assert n_bins * len(line.lanes) <= max(most, len(line.lanes)) + len(line.lanes)
    for lane in line.lanes:
        ids = [t for t, _, _ in lane.tracks]
        frames = [f for t in ids for f in range(min(tracks[t]), max(tracks[t]) + 1)]
        assert len(set(frames)) == len(frames), "two tracks at the same time share no lane"
        expected = np.full(n_bins, NO_FACE)
        for t in ids:
            for frame, p in tracks[t].items():
                at, value = frame // line.frames_per_bin, round(p * (NO_FACE - 1))
                expected[at] = value if expected[at] == NO_FACE else max(value, expected[at])
        (own,) = lane.values
        if len(own) == n_bins:
            np.testing.assert_allclose(own, expected, atol=1)
        else:  # with breaks before tracks
            np.testing.assert_allclose(own[own != NO_FACE], expected[expected != NO_FACE], atol=1)
    assert (np.diff(line.times_s) > 0).all()


def test_bins_of_events_are_marked_and_gaps_break_the_curve(tmp_path):
    times = [*np.arange(30) / 30, *(10 + np.arange(30) / 30)]
    seen = dict.fromkeys(range(60), 0.1) | dict.fromkeys(range(35, 45), 0.9)
    with open_results(video_file(tmp_path / "a.h5", {0: seen}, 60, times)) as results:
        line = make_timeline(results, {0: results.events()}, 1000)
    ((start, end),) = line.gaps
    assert 0.9 < start < 1.1
    assert end == 10
    in_gap = (line.times_s > start) & (line.times_s < end)
    assert in_gap.sum() == 2
    assert (np.diff(line.times_s) > 0).all()
    (values,) = line.lanes[0].values
    assert (values[in_gap] == NO_FACE).all()
    within = line.times_s[values >= WITHIN]
    assert (within.min(), within.max()) == (times[35], times[44])


def test_a_track_that_follows_another_begins_a_new_curve(tmp_path):
    tracks = {0: dict.fromkeys(range(10), 0.2), 1: dict.fromkeys(range(10, 20), 0.4)}
    with open_results(video_file(tmp_path / "a.h5", tracks, 20)) as results:
        line = make_timeline(results, {0: ()}, 1000)
    (lane,) = line.lanes
    assert lane.values[0].tolist() == [25] * 10 + [NO_FACE] + [50] * 10


def test_more_faces_at_once_than_lanes_are_counted(tmp_path):
    with open_results(results_file(tmp_path / "a.h5", [9] * 3)) as results:
        line = make_timeline(results, {0: ()}, 100)
    assert len(line.lanes) == 6
    assert line.hidden_tracks == 3


def test_damaged_frames_are_runs(tmp_path):
    with open_results(results_file(tmp_path / "a.h5", [1] * 9, damaged=True)) as results:
        line = make_timeline(results, {0: ()}, 100)
        times = results.frames["time_s"]
    assert line.damaged == ((times[3], times[3]), (times[7], times[7]))
