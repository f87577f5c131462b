"""How far a run is: by the duration of its videos, whatever is known of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.console.progress import ALMOST, ProgressCounter, VideoProgress


def done(progress: ProgressCounter, name: str, length_s: float, now_s: float, frames: int = 100) -> None:
    progress.advance(VideoProgress(0, 0.0, length_s), name, now_s)
    progress.end(name, "ok", frames, length_s)


def test_progress_goes_by_duration_not_by_count() -> None:
    """Ten minutes in ten short videos, and an hour and 50 minutes in one."""
    progress = ProgressCounter(11, 0.0)
    for i in range(10):
        progress.expect(f"short{i}", 60.0)
    progress.expect("long", 6600.0)
    for i in range(10):
        done(progress, f"short{i}", 60.0, 6.0 * i)
    now = progress.at(60.0)  # ten times real time
    assert (now.ended, now.videos) == (10, 11)
    assert now.share == pytest.approx(600 / 7200)
    assert now.rate_x == pytest.approx(10)
    assert now.left_s == pytest.approx(660)
    progress.advance(VideoProgress(0, 0.0, 6600.0), "long", 60.0)
    progress.advance(VideoProgress(9000, 300.0, None), "long", 90.0)
    now = progress.at(90.0)
    assert now.share == pytest.approx(900 / 7200)
    assert now.left_s == pytest.approx(630)
    assert [(v.name, v.share) for v in now.under_way] == [("long", pytest.approx(300 / 6600))]


def test_time_left_waits_for_a_long_video_at_the_end() -> None:
    """Two at once did 20 times real time; the one that is left goes on at its own 10."""
    progress = ProgressCounter(2, 0.0)
    progress.advance(VideoProgress(0, 0.0, 600.0), "short", 0.0)
    progress.advance(VideoProgress(0, 0.0, 6000.0), "long", 0.0)
    progress.advance(VideoProgress(1, 600.0, None), "long", 60.0)
    progress.end("short", "ok", 1, 600.0)
    assert progress.at(60.0).left_s == pytest.approx(540)


def test_progress_assumes_the_mean_for_unknown_durations() -> None:
    progress = ProgressCounter(4, 0.0)
    progress.expect("a", 100.0)
    progress.expect("b", 300.0)
    progress.expect("live recording", None)
    progress.expect("liar", 1e12)
    assert progress.at(1.0).total_s == pytest.approx(800)
    done(progress, "live recording", 500.0, 1.0)
    assert progress.at(1.0).total_s == pytest.approx(900 + 300)


def test_progress_corrects_wrong_stated_durations() -> None:
    progress = ProgressCounter(2, 0.0)
    progress.advance(VideoProgress(0, 0.0, 1000.0), "short", 0.0)
    progress.advance(VideoProgress(0, 0.0, 10.0), "long", 0.0)
    progress.advance(VideoProgress(100, 50.0, None), "long", 5.0)
    now = progress.at(5.0)
    assert now.total_s == pytest.approx(1050)
    assert now.under_way[1].share == 1.0
    progress.end("short", "ok", 10, 4.0)
    assert progress.at(6.0).total_s == pytest.approx(54)
    progress.end("long", "ok", 100, 55.0)
    now = progress.at(7.0)
    assert (now.share, now.left_s, now.total_s) == (1.0, 0.0, pytest.approx(59))


def test_progress_leaves_failed_videos_out_of_the_mean() -> None:
    progress = ProgressCounter(3, 0.0)
    progress.expect("bad", 1000.0)
    progress.expect("good", 100.0)
    progress.end("bad", "failed", 0, None)
    assert progress.at(1.0).total_s == pytest.approx(200)


def test_progress_counts_stopped_videos_as_to_do() -> None:
    progress = ProgressCounter(2, 0.0)
    done(progress, "a", 100.0, 1.0)
    progress.advance(VideoProgress(0, 0.0, 100.0), "b", 1.0)
    progress.advance(VideoProgress(50, 50.0, None), "b", 2.0)
    progress.end("b", "stopped", 0, None)
    now = progress.at(3.0)
    assert (now.ended, now.share, now.statuses) == (1, 0.5, {"ok": 1, "stopped": 1})


def test_progress_counts_a_video_begun_anew_once() -> None:
    progress = ProgressCounter(1, 0.0)
    for _ in range(2):
        progress.advance(VideoProgress(0, 0.0, 100.0), "a", 0.0)
        progress.advance(VideoProgress(30, 30.0, None), "a", 1.0)
    now = progress.at(2.0)
    assert (now.frames, now.video_s, now.share) == (30, 30.0, 0.3)


def test_progress_counts_items_without_duration() -> None:
    progress = ProgressCounter(4, 0.0)
    progress.advance(VideoProgress(10, 0.0, None), "", 5.0)
    progress.end("0", "ok", 0, None)
    now = progress.at(10.0)
    assert (now.share, now.left_s, now.total_s, now.rate_x) == (0.25, pytest.approx(30), None, 0.0)
    for name, status in (("1", "ok"), ("2", "failed"), ("3", "skipped")):
        progress.end(name, status, 0, None)
    now = progress.at(20.0)
    assert (now.share, now.frames) == (1.0, 10)


def test_speed_is_that_of_the_last_minute() -> None:
    progress = ProgressCounter(1, 0.0)
    progress.advance(VideoProgress(0, 0.0, 100_000.0), "a", 0.0)
    for second in range(1, 301):
        position = 10.0 * min(second, 150) + 2.0 * max(0, second - 150)
        progress.advance(VideoProgress(1, position, None), "a", float(second))
        progress.at(float(second))
    now = progress.at(300.0)
    assert now.rate_x == pytest.approx(2.0, rel=0.05)
    assert now.frames_per_s == pytest.approx(1.0, rel=0.05)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["expect", "advance", "begin", "ok", "failed", "stopped"]),
        st.sampled_from("abcd"),
        st.floats(0, 1e9),
    ),
    max_size=60,
)


@given(ACTIONS, st.integers(0, 5))
def test_progress_makes_sense_whatever_is_reported(actions, videos) -> None:
    progress = ProgressCounter(videos, 0.0)
    now_s = 0.0
    gone: set[str] = set()
    for what, name, number in actions:
        now_s += 0.7
        if name in gone:
            continue
        if what == "expect":
            progress.expect(name, number)
        elif what in ("advance", "begin"):
            progress.advance(VideoProgress(5 * (what == "advance"), number, number * 2), name, now_s)
        else:
            progress.end(name, what, 3, number if what == "ok" else None)
            gone.add(name)
        now = progress.at(now_s)
        assert 0 <= now.share <= 1
        assert now.share <= ALMOST or now.ended >= videos
        assert now.left_s is None or now.left_s >= 0
        assert now.frames >= 0
        assert now.rate_x >= 0
        assert now.total_s is None or now.total_s >= 0
        assert all(v.share is None or 0 <= v.share <= 1 for v in now.under_way)
