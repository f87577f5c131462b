"""What a run may expect of its workers, wherever they are: processes of this machine, or of a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from autrt.pipeline.open_networks import open_networks
from autrt.run.job import Job
from autrt.run.local_pool import LocalPool
from autrt.run.options import InferOptions, resolve
from autrt.run.run import Run
from autrt.run.summary import RunSummary
from autrt.run.worker import VIDEOS_EACH
from autrt.storage.presence import Presence
from autrt.types import Source
from tests.support.command import assert_equal_results, leftovers
from tests.support.fakes_run import FakeReporter

pytest_plugins = ("tests.support.crop_archive",)
MANY = 2 * VIDEOS_EACH
FRAMES = 6
VIDEOS = {f"v{i}": FRAMES + i for i in range(MANY)}


@pytest.fixture(scope="module")
def ray_node() -> Iterator[None]:
    """A cluster of one node, to which this process is connected."""
    ray = pytest.importorskip("ray")
    from tests.support.ray_cluster import STORE_BYTES, patient_start

    with patient_start():
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=STORE_BYTES, log_to_driver=False)
    yield
    ray.shutdown()


class Archive:
    """A run over the archive with two workers of a kind."""

    def __init__(self, kind: str, archive: Path, out: Path) -> None:
        self.kind, self.out = kind, out
        out.mkdir()
        options = InferOptions(
            inputs=(archive,), out=out, command="test", aligned=True, offline=True, workers=2
        )
        self.job: Job = resolve(options)[0]
        self.sources = [Source(archive / f"v{i}", f"v{i}", "images") for i in range(MANY)]
        self.reporter = FakeReporter()

    def run(self, on_begin=lambda run: None) -> RunSummary:
        """Run; `on_begin` is called when a video has begun."""
        with ExitStack() as opened:
            presence = opened.enter_context(closing(Presence(self.out, {})))
            run = Run(self.job, self._pool(opened, presence.path), self.reporter)
            advance = self.reporter.advance

            def begun(*arguments, **named):
                advance(*arguments, **named)
                on_begin(run)

            self.reporter.advance = begun
            return run.run(self.sources)

    def _pool(self, opened: ExitStack, run: Path):
        if self.kind == "ray":
            from autrt.run.cluster.open_cluster import open_cluster

            say = self.reporter.say
            return open_cluster("auto", self.job, self.sources, opened, most=2, offline=True, say=say)(run)
        networks = opened.enter_context(closing(open_networks(self.job.model, self.job.settings, 1)))
        return LocalPool(self.job, [networks], 2)

    def processes(self) -> list[int]:
        """The processes that do videos now."""
        if self.kind == "ray":
            from tests.support.ray_cluster import video_processes

            return video_processes()
        return [child.pid for child in multiprocessing.active_children() if child.pid]


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def workers(request, archive, tmp_path) -> Archive:
    if request.param == "ray":
        request.getfixturevalue("ray_node")
    return Archive(request.param, archive, tmp_path / "out")


def test_workers_do_every_video_as_one_process_does(workers, plain):
    summary = workers.run()
    assert (summary.count("ok"), summary.failed, summary.exit_code) == (MANY, {}, 0)
    assert_equal_results(workers.out, plain)
    assert leftovers(workers.out) == []
    told = workers.reporter.of("advance")
    assert {name for name, *_ in told} == set(VIDEOS)
    # A video that is done within the time between two reports is told of at its beginning alone.
    frames = sum(frames for _, frames, *_ in told)
    assert frames <= summary.frames == sum(FRAMES + i for i in range(MANY))


def test_worker_that_is_killed_costs_no_video(workers, plain):
    once, killed = threading.Lock(), list[int]()

    def kill(run):
        if once.acquire(blocking=False):
            killed.append(workers.processes()[0])
            os.kill(killed[0], signal.SIGKILL)

    summary = workers.run(kill)
    assert len(killed) == 1
    assert (summary.count("ok"), summary.failed) == (MANY, {})
    assert_equal_results(workers.out, plain)


def test_workers_stop_when_the_run_does(workers, plain):
    summary = workers.run(lambda run: run.stop.set())
    assert summary.failed == {}
    assert 0 < summary.count("stopped", "ok") < MANY
    assert leftovers(workers.out) == []
    again = Archive(workers.kind, workers.sources[0].path.parent, workers.out.parent / "again")
    assert again.run().count("ok") == MANY
