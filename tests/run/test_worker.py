"""Videos in processes of their own: the same results, and nothing that happens to one of them ends the run."""

from __future__ import annotations

import errno
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from autrt.engine.gpu import Gpu
from autrt.errors import DeviceError, EngineError
from autrt.machine import available_cores
from autrt.model.folder import load_model
from autrt.results.verification.verify import verify
from autrt.run.job import Job
from autrt.run.worker import PROCESS_BYTES, VIDEOS_EACH, Worker, processes_for
from autrt.settings import InferSettings
from autrt.types import Source
from tests.support.command import assert_equal_results, autrt, leftovers, manifest, start
from tests.support.fetched import fetched

MANY = 2 * VIDEOS_EACH
shared = pytest.mark.skipif(available_cores() < 2, reason="one core: one process does everything")


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A folder of enough videos for two processes."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("many")
    for i in range(MANY):
        shutil.copy(fetched("clip-smile" if i % 2 else "clip-talk"), folder / f"{i}.mp4")
    return folder


@pytest.fixture
def killer(tmp_path) -> dict[str, str]:
    """An environment in which every video with "killer" in its name aborts the process that opens it."""
    (tmp_path / "inject").mkdir()
    (tmp_path / "inject" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('autrt' in a for a in sys.orig_argv) or 'spawn_main' in ' '.join(sys.orig_argv):\n"
        "    import autrt.video.open as door\n"
        "    real = door.open_decoder\n"
        "    def open_decoder(source, **kwargs):\n"
        "        if 'killer' in source.relative: os.abort()\n"
        "        return real(source, **kwargs)\n"
        "    door.open_decoder = open_decoder\n"
    )
    return os.environ | {"PYTHONPATH": str(tmp_path / "inject")}


def run(videos, out, *options):
    return ("infer", "--videos", videos, "--out", out, "--progress", "plain", *options)


def worker_processes(pid: int) -> list[int]:
    """Processes that a run started to work for it, the tracker of their resources too.

    A library that is imported may start others, such as `uname -p`, before the run minds signals.
    """
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "multiprocessing" in line]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def until_first_video(running) -> None:
    for line in running.stderr:
        if line.startswith("ok"):
            return


def job(**settings) -> Job:
    return Job(
        out=Path(),
        model=load_model("student"),
        settings=InferSettings(engine="openvino", **settings),
        detector_digest="",
        command="",
        threads=16,
    )


@pytest.mark.parametrize(
    ("videos", "most", "processes_of_memory", "expected"),
    [
        (2 * VIDEOS_EACH - 1, None, math.inf, 0),
        (2 * VIDEOS_EACH, None, math.inf, 2),
        (10_000, None, math.inf, 16),
        (10_000, 3, math.inf, 3),
        (10_000, 40, math.inf, 40),
        (10_000, 1, math.inf, 0),
        (10_000, None, 5.9, 5),
        (10_000, None, 1.9, 0),
    ],
)
def test_processes_follow_cores_videos_memory_and_user(
    monkeypatch, videos, most, processes_of_memory, expected
):
    monkeypatch.setattr("autrt.run.worker.memory_limit", lambda: processes_of_memory * PROCESS_BYTES)
    assert processes_for(job(), videos, most) == ["cpu"] * expected


def test_one_process_does_all_with_large_networks(monkeypatch):
    assert processes_for(replace(job(), settings=InferSettings(engine="torch")), 10_000) == []
    monkeypatch.setattr("autrt.pipeline.open_networks.LIGHT_BYTES", 100_000)
    assert processes_for(job(), 10_000) == []


@pytest.mark.parametrize(
    ("gpus_gb", "videos", "most", "host_gb", "expected"),
    [
        ([140], 10_000, None, math.inf, [8]),
        ([140], 10_000, 3, math.inf, [3]),
        ([140], 1, None, math.inf, [1]),
        ([140, 140], 10_000, None, math.inf, [4, 4]),
        ([140, 140], 10_000, 1, math.inf, [1, 1]),
        ([8], 10_000, None, math.inf, [1]),
        ([0], 10_000, None, math.inf, [8]),
        ([140], 10_000, None, 10, [3]),
        ([140], 10_000, None, 1, [1]),
        ([140, 8], 10_000, 16, math.inf, [8, 1]),
    ],
)
def test_processes_on_gpus_follow_cores_and_both_memories(
    monkeypatch, gpus_gb, videos, most, host_gb, expected
):
    gpus = [Gpu("NVIDIA H200", "sm90", gb << 30) for gb in gpus_gb]
    monkeypatch.setattr("autrt.engine.gpu.find_gpus", lambda: gpus)
    monkeypatch.setattr("autrt.run.worker.memory_limit", lambda: host_gb * (1 << 30))
    devices = [f"cuda:{i}" for i in range(len(gpus))]
    found = processes_for(job(device="cuda:0"), videos, most, devices)
    assert [found.count(device) for device in devices] == expected


def test_worker_whose_gpu_fails_is_ended(monkeypatch, tmp_path, killer):
    """The context of a GPU that failed is of no use any more; the error is told, and no video is to blame."""
    fetched("centerface")
    inject = tmp_path / "inject" / "sitecustomize.py"
    inject.write_text(inject.read_text().replace("os.abort()", "raise RuntimeError('CUDA error: lost')"))
    monkeypatch.setenv("PYTHONPATH", f"{killer['PYTHONPATH']}:{os.environ.get('PYTHONPATH', '')}")
    started: list[SpawnProcess] = []
    start_process = SpawnProcess.start
    monkeypatch.setattr(SpawnProcess, "start", lambda self: (started.append(self), start_process(self)))
    video = tmp_path / "killer.mp4"
    shutil.copy(fetched("clip-smile"), video)
    worker = Worker(replace(job(), out=tmp_path / "out"), 1)
    with pytest.raises(DeviceError, match="CUDA error: lost"):
        worker.do(Source(video, video.name, "video"), threading.Event(), lambda progress: None)
    assert [process.is_alive() for process in started] == [False]


def test_worker_that_cannot_start_says_so_each_time(monkeypatch):
    def refuse(process):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    worker = Worker(job(), 1)
    for _ in range(2):
        with pytest.raises(EngineError, match=r"cannot start a worker process .*--workers 1"):
            worker.do(Source(Path("a.mp4"), "a.mp4", "video"), threading.Event(), lambda progress: None)
    worker.close()


def test_daemonic_process_does_all_videos_itself(many, tmp_path):
    script = (
        "import multiprocessing, sys, autrt\n"
        "def infer(folders): return autrt.infer(*folders, workers=2).count('ok')\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(infer, [sys.argv[1:]]))\n"
    )
    (tmp_path / "pool.py").write_text(script)
    done = subprocess.run(
        [sys.executable, tmp_path / "pool.py", many, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == f"[{MANY}]", done.stderr


@shared
def test_processes_give_the_numbers_of_one(many, tmp_path):
    assert autrt(*run(many, tmp_path / "one", "--workers", 1)).returncode == 0
    done = autrt(*run(many, tmp_path / "several"))
    assert done.returncode == 0, done.stderr
    assert_equal_results(tmp_path / "one", tmp_path / "several")
    assert len(list((tmp_path / "several").rglob("*.h5"))) == MANY


@shared
def test_crash_among_many_costs_one_video(many, killer, tmp_path):
    videos = shutil.copytree(many, tmp_path / "videos")
    shutil.copy(videos / "0.mp4", videos / "00-killer.mp4")
    done = autrt(*run(videos, tmp_path / "out"), env=killer)
    assert done.returncode == 3, done.stderr
    assert "SIGABRT" in done.stderr
    told = {path: event["status"] for path, event in manifest(tmp_path / "out").items()}
    assert told.pop("00-killer.mp4") == "failed"
    assert set(told.values()) == {"ok"}
    assert len(told) == MANY
    assert all(verify(path) == [] for path in (tmp_path / "out").rglob("*.h5"))


def test_crash_of_the_only_process_is_set_aside_in_the_end(many, killer, tmp_path):
    shutil.copy(many / "1.mp4", tmp_path / "good.mp4")
    shutil.copy(many / "1.mp4", tmp_path / "killer.mp4")
    again = run(tmp_path / "good.mp4", tmp_path / "out")
    again = (*again, tmp_path / "killer.mp4")
    for _ in range(2):
        assert autrt(*again, env=killer).returncode == -signal.SIGABRT
    done = autrt(*again, env=killer)
    assert done.returncode == 3
    assert "SIGABRT" in done.stderr
    assert verify(tmp_path / "out" / "good.mp4.h5") == []
    assert manifest(tmp_path / "out")["killer.mp4"]["status"] == "failed"


@shared
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("early", [True, False])
def test_signal_to_the_process_group_stops_cleanly(many, tmp_path, number, code, early):
    running = start(*run(many, tmp_path / "out"), start_new_session=True)
    deadline_s = time.monotonic() + 30
    while early and not worker_processes(running.pid) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    if not early:
        until_first_video(running)
    os.killpg(running.pid, number)
    _, errors = running.communicate()
    assert running.returncode == code
    assert "Traceback" not in errors
    assert leftovers(tmp_path / "out") == []
    assert "started" not in {e["status"] for e in manifest(tmp_path / "out").values()}


@shared
def test_killed_run_leaves_no_process_behind(many, tmp_path):
    running = start(*run(many, tmp_path / "out"))
    until_first_video(running)
    processes = worker_processes(running.pid)
    assert len(processes) >= 2
    running.kill()
    running.communicate()
    deadline_s = time.monotonic() + 10
    while any(map(alive, processes)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not any(map(alive, processes))
    assert autrt(*run(many, tmp_path / "out")).returncode == 0
    assert len(list((tmp_path / "out").rglob("*.h5"))) == MANY
    assert leftovers(tmp_path / "out") == []
