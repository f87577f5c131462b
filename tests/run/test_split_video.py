"""Long videos in sections: the file of a run of the whole, after interruptions too; or as a whole, and why."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from autrt.errors import DiskFullError, UsageError, VideoError
from autrt.machine import available_cores
from autrt.pipeline.recognise import StoppedError
from autrt.results.verification.verify import verify
from autrt.run.do_video import do_video
from autrt.run.options import parse_split
from autrt.run.split_video import DoSection, do_in_sections, do_task
from autrt.types import Source
from tests.support.command import assert_equal_results, autrt, leftovers, manifest
from tests.support.fakes_run import FakeEngine, fake_job, fake_networks
from tests.support.fetched import fetched
from tests.support.media import Clip, write_video

LOOK = {"frames": 160, "width": 192, "height": 160, "rate": Fraction(5), "grain": 6}
GOPS = {"x264-params": "keyint=5:bframes=2"}


def source_of(path: Path) -> Source:
    return Source(path, path.name, "video")


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Source:
    """A video of 32 s with a key frame a second."""
    return source_of(Clip(options=GOPS, **LOOK).write(tmp_path_factory.mktemp("videos") / "long.mp4"))


class Worker:
    """Does tasks in this process, and keeps which."""

    def __init__(self, out: Path, **settings) -> None:
        self.job = fake_job(out, **{"split_s": 10.0, **settings})
        self.networks = fake_networks(FakeEngine(self.job.model.au_names))
        self.tasks: list = []
        self.before = lambda task: None

    def ask(self, task, stop, on_progress):
        self.before(task)
        self.tasks.append(task)
        return do_task(self.job, self.networks, task, stop, on_progress)

    def do(self, source: Source, on_progress=lambda progress: None):
        return do_in_sections(self.job, source, self.ask, threading.Event(), on_progress, workers=2)

    @property
    def sections(self) -> list[int]:
        return sorted(task.number for task in self.tasks if isinstance(task, DoSection))


def whole(video: Source, out: Path) -> Path:
    worker = Worker(out)
    do_video(worker.job, worker.networks, video, threading.Event(), lambda progress: None)
    return out


def test_sections_make_the_file_of_the_whole(video, tmp_path) -> None:
    worker, reports = Worker(tmp_path / "split"), []
    outcome = worker.do(video, reports.append)
    assert (outcome.status, outcome.reason, outcome.frames) == ("ok", "", 160)
    assert outcome.video_s == pytest.approx(32)
    assert worker.sections == [0, 1, 2]
    assert_equal_results(whole(video, tmp_path / "whole"), tmp_path / "split")
    assert verify(tmp_path / "split" / "long.mp4.h5") == []
    assert leftovers(tmp_path) == []
    assert sum(report.frames for report in reports) == 160
    assert [report.position_s for report in reports] == sorted(report.position_s for report in reports)


@pytest.mark.parametrize("error", [VideoError("the disk is gone"), StoppedError(), DiskFullError("full")])
def test_a_section_that_fails_fails_the_video_and_finished_ones_are_kept(video, tmp_path, error) -> None:
    def fail(task):
        if isinstance(task, DoSection) and task.number == 2:
            raise error

    worker = Worker(tmp_path / "split")
    worker.before = fail
    with pytest.raises(type(error), match=str(error) or None):
        worker.do(video)
    assert not (tmp_path / "split" / "long.mp4.h5").exists()
    kept = {int(file.stem[-4:]) for file in (tmp_path / "split").rglob("*.section")}
    assert kept
    assert kept <= {0, 1}
    again = Worker(tmp_path / "split")
    assert again.do(video).status == "ok"
    assert again.sections == sorted({0, 1, 2} - kept)
    assert_equal_results(whole(video, tmp_path / "whole"), tmp_path / "split")
    assert leftovers(tmp_path) == []


def test_sections_of_other_settings_or_bytes_are_not_taken(video, tmp_path) -> None:
    first = Worker(tmp_path / "split", max_faces=1)
    first.before = lambda task: (_ for _ in ()).throw(StoppedError()) if len(first.sections) > 2 else None
    with pytest.raises(StoppedError):
        first.do(video)
    other = Worker(tmp_path / "split", detect_every=3)
    assert other.do(video).status == "ok"
    assert other.sections == [0, 1, 2]
    assert leftovers(tmp_path) == []


def test_a_damaged_file_of_a_section_is_done_anew(video, tmp_path) -> None:
    worker = Worker(tmp_path / "split")

    def cut(task):
        if not worker.sections or isinstance(task, DoSection):
            return
        file = next(tmp_path.rglob("*-0000.section"))
        file.write_bytes(file.read_bytes()[:-50])

    worker.before = cut
    with pytest.raises(VideoError, match="run the same command again"):
        worker.do(video)
    again = Worker(tmp_path / "split")
    assert again.do(video).status == "ok"
    assert again.sections == [0]
    assert_equal_results(whole(video, tmp_path / "whole"), tmp_path / "split")


def damaged(path: Path) -> Path:
    """Damage the pictures of the middle, not the container."""
    Clip(options=GOPS, **LOOK).write(path)
    with av.open(str(path)) as container:
        packets = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for at, size in packets[75:85]:
        data[at + size // 2 : at + size - 1] = b"\xa5" * (size - 1 - size // 2)
    path.write_bytes(data)
    return path


UNSPLIT = {
    "open.mkv": (
        lambda p: Clip(options={"x264-params": "keyint=5:open-gop=1"}, **LOOK).write(p),
        "key frames",
    ),
    "damaged.mp4": (damaged, "frame|damage"),
    "untimed.h264": (lambda p: Clip(options=GOPS, muxer="h264", **LOOK).write(p), "times"),
}


@pytest.mark.parametrize("name", UNSPLIT)
def test_what_cannot_be_split_is_done_as_a_whole_and_says_why(name, tmp_path) -> None:
    write, reason = UNSPLIT[name]
    source = source_of(write(tmp_path / name))
    worker = Worker(tmp_path / "split")
    outcome = worker.do(source)
    assert outcome.reason.startswith("not split: ")
    assert any(word in outcome.reason for word in reason.split("|"))
    assert outcome.frames >= 150
    assert_equal_results(whole(source, tmp_path / "whole"), tmp_path / "split")
    assert leftovers(tmp_path) == []


def test_a_short_video_is_done_as_a_whole_without_a_word(video, tmp_path) -> None:
    worker = Worker(tmp_path / "split", split_s=900.0)
    assert worker.do(video).reason == ""
    assert worker.sections == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("90s", 90), ("1.5h", 5400), ("20", 20), (600, 600), (None, None)]
)
def test_lengths_are_read(text, seconds) -> None:
    assert parse_split(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "9", "5s", "1d", "-20", "15 m", True])
def test_other_lengths_are_refused(text) -> None:
    with pytest.raises(UsageError, match="15m"):
        parse_split(text)


@pytest.mark.skipif(available_cores() < 2, reason="one core: one process does everything")
def test_command_with_two_processes_writes_the_file_of_the_whole(tmp_path) -> None:
    fetched("centerface")
    with av.open(str(fetched("clip-talk"))) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    shown = (shown + shown[::-1])[::2]
    pictures = [np.ascontiguousarray(shown[i % len(shown)]) for i in range(210)]
    height, width = pictures[0].shape[:2]
    write_video(
        tmp_path / "a.mp4", pictures, Clip(options=GOPS, width=width, height=height, rate=Fraction(10))
    )
    for out, options in (("whole", ("--workers", "1")), ("split", ("--workers", "2", "--split", "10s"))):
        done = autrt("infer", tmp_path / "a.mp4", "--out", tmp_path / out, "--progress", "plain", *options)
        assert done.returncode == 0, done.stderr
    assert_equal_results(tmp_path / "whole", tmp_path / "split")
    assert manifest(tmp_path / "split")["a.mp4"]["reason"] == ""
    assert leftovers(tmp_path) == []
