"""`autrt infer --ray` on a cluster of three raylets: nodes, processes and the command are killed in mid-run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import assert_equal_results, leftovers, start
from tests.support.command import autrt as command

pytest.importorskip("ray")
from tests.support.ray_cluster import SmallCluster, kill, small_cluster, video_processes

pytest_plugins = ("tests.support.crop_archive",)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2000)]

VIDEOS = {f"v{i}": 150 + 10 * i for i in range(8)}
PATIENCE_S = 900


@pytest.fixture(scope="module")
def cluster() -> Iterator[SmallCluster]:
    with small_cluster(2) as made:
        yield made


@pytest.fixture
def words(archive, tmp_path, cluster) -> list[str | Path]:
    """The command line, without `autrt`; it says which videos are in flight."""
    options = ["--aligned", "--offline", "--ray", cluster.address, "--progress", "plain"]
    return ["infer", archive, "--out", tmp_path / "out", *options]


def events(out: Path) -> list[dict]:
    lines = [line for path in out.glob("manifest*.jsonl") for line in path.read_text().splitlines()]
    return [event for line in lines if "path" in (event := json.loads(line))]


def wait_for(condition: Callable[[], object], run: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def in_flight(out: Path, done: int) -> bool:
    """Whether a process does a video, and some are done."""
    statuses = Counter(event["status"] for event in events(out))
    return statuses["ok"] >= done and statuses["started"] > statuses["ok"] and bool(video_processes())


def assert_all_done(out: Path, plain: Path) -> None:
    assert_equal_results(out, plain)
    assert leftovers(out) == []
    assert Counter(event["path"] for event in events(out) if event["status"] == "ok") == dict.fromkeys(
        VIDEOS, 1
    )


def test_node_that_is_lost_costs_no_video(words, cluster, plain, tmp_path):
    run = start(*words)
    wait_for(lambda: in_flight(tmp_path / "out", 1), run)
    cluster.kill(cluster.nodes[0])
    said = run.communicate(timeout=PATIENCE_S)[1]
    cluster.nodes[0] = cluster.add()
    assert run.returncode == 0, said
    assert_all_done(tmp_path / "out", plain)


def test_process_that_is_killed_costs_no_video(words, plain, tmp_path):
    run = start(*words)
    wait_for(lambda: in_flight(tmp_path / "out", 1), run)
    kill(video_processes()[0])
    said = run.communicate(timeout=PATIENCE_S)[1]
    assert run.returncode == 0, said
    assert_all_done(tmp_path / "out", plain)


def test_command_that_is_killed_goes_on_where_it_is_called_again(words, plain, tmp_path):
    run = start(*words)
    wait_for(lambda: in_flight(tmp_path / "out", 1), run)
    run.kill()
    run.communicate()
    again = command(*words, timeout=PATIENCE_S)
    assert again.returncode == 0, again.stderr
    assert_all_done(tmp_path / "out", plain)


def test_interrupt_ends_the_run_cleanly(words, plain, tmp_path):
    run = start(*words, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    wait_for(lambda: in_flight(tmp_path / "out", 1), run)
    os.kill(run.pid, signal.SIGINT)
    said = run.communicate(timeout=PATIENCE_S)[1]
    assert run.returncode == 130, said
    assert "nothing is half-written" in said
    assert leftovers(tmp_path / "out") == []
    assert command(*words, timeout=PATIENCE_S).returncode == 0
    assert_all_done(tmp_path / "out", plain)


def test_cluster_that_is_not_there_is_refused_before_anything_is_touched(archive, tmp_path):
    done = command("infer", archive, "--out", tmp_path / "out", "--ray", "ray://127.0.0.1:1", "--aligned")
    assert done.returncode == 2
    assert "expected auto or HOST:PORT" in done.stderr
    assert not (tmp_path / "out").exists()
