"""The last lines of a run, and what an early interrupt says."""

from __future__ import annotations

import signal
from pathlib import Path

import click
import pytest

from autrt.cli.ending import finish, show
from autrt.cli.interrupted import explain_interrupt
from autrt.errors import DiskFullError
from autrt.run.command_text import call_text, overwrite_advice, resume_command
from autrt.run.job import Outcome
from autrt.run.summary import RunSummary

OK = Outcome(relative="a.mp4", status="ok", frames=50, video_s=2.0, seconds=0.5)
FAILED = Outcome(relative="b.mp4", status="failed", reason="no video")
STOPPED = Outcome(relative="c.mp4", status="stopped")


def summary(*outcomes: Outcome, **facts) -> RunSummary:
    command = "autrt infer videos --out out --overwrite"
    return RunSummary(
        out=Path("out"), command=command, todo=len(outcomes), outcomes=outcomes, seconds=1.0, **facts
    )


def test_ending_counts_videos_frames_and_speed(capsys):
    show(summary(OK, FAILED, skipped=3), quiet=False)
    assert capsys.readouterr().err.splitlines() == [
        "1 ok, 1 failed, 3 done before; 50 frames (2 s of video) in 1.0 s, 50 frames/s, 2.0 × real time",
        "  failed b.mp4: no video",
        "once they are mended, the same command does those that failed, and nothing twice",
    ]


def test_ending_names_videos_that_were_far_slower_than_the_others(capsys):
    usual = [Outcome(relative=f"{n}.mp4", status="ok", video_s=10.0, seconds=2.0) for n in range(9)]
    show(summary(*usual), quiet=False)
    assert "slowest" not in capsys.readouterr().err
    slow = Outcome(relative="8k.mp4", status="ok", video_s=10.0, seconds=20.0)
    show(summary(*usual, slow), quiet=False)
    assert "slowest: 8k.mp4 (0.5 ×); usual: 5.0 × real time" in capsys.readouterr().err


def test_ending_says_once_which_tracks_have_no_baseline(capsys):
    short = [Outcome(relative=f"{n}.mp4", status="ok", tracks_without_baseline=n) for n in (1, 2, 0)]
    show(summary(*short), quiet=False)
    assert (
        "--baseline: 3 tracks in 2 videos are shorter than 5 s and had no neutral" in capsys.readouterr().err
    )
    show(summary(OK), quiet=False)
    assert "--baseline" not in capsys.readouterr().err


def test_ending_of_a_stopped_run_says_how_to_go_on(capsys):
    with pytest.raises(click.exceptions.Exit) as end:
        finish(summary(OK, STOPPED, signal=signal.SIGINT, overwrite=True), quiet=False)
    assert end.value.exit_code == 130
    assert capsys.readouterr().err.splitlines()[1:] == [
        "interrupted: 1 video finished and kept in out; 1 under way was dropped, nothing is half-written",
        "the results that the 1 had before are untouched",
        "to go on with the remaining 1, run:",
        "  autrt infer videos --out out",
    ]


def test_ending_raises_what_stopped_the_run(capsys):
    with pytest.raises(DiskFullError, match="no room"):
        finish(summary(OK, STOPPED, error=DiskFullError("no room")), quiet=True)
    assert capsys.readouterr().err == ""


def test_interrupt_before_the_first_video_says_so(capsys):
    with pytest.raises(click.exceptions.Exit) as end, explain_interrupt():
        raise KeyboardInterrupt
    assert end.value.exit_code == 130
    assert "before the first video was begun: no results were written" in capsys.readouterr().err


def test_command_text_of_a_call_can_be_run_again():
    call = call_text([Path("a b.mp4")], Path("out"), {"quality": "fast", "overwrite": True})
    assert call == "autrt.infer('a b.mp4', 'out', quality='fast', overwrite=True)"
    assert resume_command(call) == "autrt.infer('a b.mp4', 'out', quality='fast')"
    assert call_text([Path("a"), Path("b")], Path("o"), {}) == "autrt.infer(['a', 'b'], 'o')"
    assert overwrite_advice(call, "out") == "overwrite=True"
    assert overwrite_advice("autrt crop x", "out") == "delete out"
