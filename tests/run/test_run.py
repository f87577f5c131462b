"""`Run` in this process, with fakes of the Protocols: failures of one video and of all, signals, crashes."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from autrt.errors import DeviceError, DiskFullError, VideoError
from autrt.run.job import Outcome
from autrt.run.local_pool import LocalPool
from autrt.run.manifest import Manifest, read_manifests
from autrt.run.run import Run
from autrt.run.worker import CrashError
from tests.support.fakes_run import (
    FakeDecoder,
    FakeEngine,
    FakeReporter,
    fake_job,
    fake_networks,
    fake_source,
)

NAMES = ("a.mp4", "b.mp4", "c.mp4")


class Setup:
    """A run over `NAMES`; `decoders` says what is in each video."""

    def __init__(self, tmp_path, monkeypatch, engines: int = 1) -> None:
        self.out = tmp_path / "out"
        self.job = fake_job(self.out)
        self.decoders = {name: FakeDecoder(20) for name in NAMES}
        self.engines = [FakeEngine(self.job.model.au_names) for _ in range(engines)]
        self.reporter = FakeReporter()
        self.sources = [fake_source(tmp_path / "videos", name) for name in NAMES]
        self.networks = [fake_networks(engine) for engine in self.engines]
        self.run = self.of(1)
        monkeypatch.setattr(
            "autrt.run.do_video.open_source",
            lambda source, settings, device: self.decoders[source.relative],
        )

    def of(self, workers: int | None) -> Run:
        """A run with so many videos in flight."""
        return Run(self.job, LocalPool(self.job, self.networks, workers), self.reporter)

    def statuses(self) -> list[tuple[str, str]]:
        return [(event.path, event.status) for event in read_manifests(self.out)]


@pytest.fixture
def setup(tmp_path, monkeypatch) -> Setup:
    return Setup(tmp_path, monkeypatch)


def fail_with(error: Exception):
    def at_frame(index: int) -> None:
        if index == 10:
            raise error

    return at_frame


def test_run_does_every_video_and_records_it(setup):
    summary = setup.run.run(setup.sources)
    assert [(o.relative, o.status, o.frames) for o in summary.outcomes] == [(n, "ok", 20) for n in NAMES]
    assert (summary.exit_code, summary.todo, summary.error, summary.signal) == (0, 3, None, None)
    assert setup.statuses() == [(name, status) for name in NAMES for status in ("started", "ok")]
    assert sorted(path.name for path in setup.out.rglob("*.h5")) == [f"{name}.h5" for name in NAMES]
    assert [(name, status) for name, status, _ in setup.reporter.of("ended")] == [(n, "ok") for n in NAMES]
    assert sum(frames for _, frames, _ in setup.reporter.of("advance")) == 60


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (VideoError("no frame can be decoded"), "no frame can be decoded"),
        (RuntimeError("bug"), "internal error: RuntimeError: bug (test_run.py:"),
    ],
)
def test_run_goes_on_where_one_video_fails(setup, error, reason):
    setup.decoders["b.mp4"].at_frame = fail_with(error)
    summary = setup.run.run(setup.sources)
    assert {o.relative: o.status for o in summary.outcomes} == dict(
        zip(NAMES, ("ok", "failed", "ok"), strict=True)
    )
    assert summary.failed["b.mp4"].startswith(reason)
    assert summary.exit_code == 3
    assert setup.statuses()[2:4] == [("b.mp4", "started"), ("b.mp4", "failed")]


def test_run_stops_where_the_disk_is_full(setup):
    setup.decoders["b.mp4"].at_frame = fail_with(DiskFullError("no room on /data"))
    summary = setup.run.run(setup.sources)
    assert [(o.relative, o.status) for o in summary.outcomes] == [("a.mp4", "ok"), ("b.mp4", "stopped")]
    assert isinstance(summary.error, DiskFullError)
    assert summary.exit_code == 1


def test_run_stops_cleanly_at_a_signal(setup):
    def interrupt(index: int) -> None:
        if index == 10:
            os.kill(os.getpid(), signal.SIGINT)
            setup.run.stop.wait(10)

    before = signal.getsignal(signal.SIGINT)
    setup.decoders["b.mp4"].n_frames = 10_000
    setup.decoders["b.mp4"].at_frame = interrupt
    summary = setup.run.run(setup.sources)
    assert [(o.relative, o.status) for o in summary.outcomes] == [("a.mp4", "ok"), ("b.mp4", "stopped")]
    assert (summary.signal, summary.exit_code) == (signal.SIGINT, 130)
    assert setup.reporter.of("say") == [("interrupted: stopping cleanly (a second time: at once)",)]
    assert signal.getsignal(signal.SIGINT) == before


def test_run_that_is_stopped_before_it_begins_does_nothing(setup):
    setup.run.stop.set()
    assert setup.run.run(setup.sources).outcomes == ()
    assert setup.statuses() == []


def test_run_deals_videos_out_among_devices(tmp_path, monkeypatch):
    setup = Setup(tmp_path, monkeypatch, engines=2)
    both_busy = threading.Barrier(2, timeout=30)
    for name in NAMES[:2]:
        setup.decoders[name].at_frame = lambda index: index == 5 and both_busy.wait()
    summary = setup.of(None).run(setup.sources[:2])
    assert summary.count("ok") == 2
    assert all(engine.crops == 20 for engine in setup.engines)


class FakeWorker:
    """Stands for a worker process; a video named in `crashes` kills it, or its GPU, that often."""

    def __init__(self, crashes: dict[str, int], done: list[tuple[str, int]], error=CrashError) -> None:
        self.crashes, self.done, self.error = crashes, done, error

    def __call__(self, job, threads, device="cpu"):
        self.threads = threads
        return self

    def do(self, source, stop, on_progress) -> Outcome:
        if self.crashes.get(source.relative, 0):
            self.crashes[source.relative] -= 1
            raise self.error(f"{source.relative} crashed")
        self.done.append((source.relative, self.threads))
        return Outcome(relative=source.relative, status="ok")

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(("crashes", "status"), [(1, "ok"), (2, "failed")])
def test_run_tries_a_video_that_crashed_once_more(setup, monkeypatch, crashes, status):
    monkeypatch.setattr("autrt.run.local_pool.processes_for", lambda *_: ["cpu"])
    monkeypatch.setattr("autrt.run.local_pool.Worker", FakeWorker({"b.mp4": crashes}, []))
    summary = setup.run.run(setup.sources)
    assert {o.relative: o.status for o in summary.outcomes} == {"a.mp4": "ok", "b.mp4": status, "c.mp4": "ok"}


@pytest.mark.parametrize(("failures", "status"), [(1, "ok"), (2, "stopped")])
def test_run_blames_no_video_for_its_gpu(setup, monkeypatch, failures, status):
    monkeypatch.setattr("autrt.run.local_pool.processes_for", lambda *_: ["cuda:0"])
    monkeypatch.setattr("autrt.run.local_pool.Worker", FakeWorker({"b.mp4": failures}, [], DeviceError))
    summary = setup.run.run(setup.sources)
    assert summary.failed == {}
    assert {o.relative: o.status for o in summary.outcomes}["b.mp4"] == status
    assert isinstance(summary.error, DeviceError) == (status == "stopped")


def test_run_in_one_process_ends_where_its_gpu_fails(setup):
    error = RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")
    setup.decoders["b.mp4"].at_frame = fail_with(error)
    summary = setup.run.run(setup.sources)
    assert [(o.relative, o.status) for o in summary.outcomes] == [("a.mp4", "ok"), ("b.mp4", "stopped")]
    assert "illegal memory access" in str(summary.error)
    assert "Compile" not in str(summary.error)
    assert (summary.failed, summary.exit_code) == ({}, 1)


def test_run_does_what_crashed_runs_alone_in_a_process(setup, monkeypatch):
    with Manifest(setup.out) as manifest:
        for _ in range(2):
            manifest.record("b.mp4", "started")
    done: list[tuple[str, int]] = []
    monkeypatch.setattr("autrt.run.local_pool.Worker", FakeWorker({}, done))
    summary = setup.run.run(setup.sources)
    assert done == [("b.mp4", setup.job.threads)]
    assert summary.count("ok") == 3
