"""Power cuts, full disks and kill -9: a results file is whole or it is not there."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from autrt.results.verification.verify import verify
from autrt.results.writer import ResultsWriter
from autrt.storage.atomic_file import Part, replacing, sweep
from tests.support.results import header, names_in, video

ROOT = Path(__file__).parents[2]


def python(code: str, *arguments: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


ENDLESS_WRITER = """
    import sys
    from pathlib import Path
    from autrt.results.spool import Spool
    from autrt.results.writer import ResultsWriter
    from tests.support.results import header, names_in, video
    out = Path(sys.argv[1])
    made = video([1, 2] * 400)
    print("ready", flush=True)
    for i in range(1000000):
        with Spool(out, 2, 3) as spool, ResultsWriter(out / f"{i % 7}.mp4.h5", header()) as writer:
            for block, _ in made.pieces(100):
                spool.append(block)
            made.write(writer, 100)
            writer.finish()
"""


def test_killed_writer_leaves_whole_files_and_parts_to_sweep(tmp_path):
    draw = random.Random(1)
    for round_ in range(8):
        writer = python(ENDLESS_WRITER, tmp_path)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.05, 0.4))
        assert sweep(tmp_path) == 0, "a living writer's part was taken away"
        time.sleep(draw.uniform(0, 0.05))
        writer.kill()
        assert writer.wait() == -signal.SIGKILL, round_
        writer.communicate()
        left = list(tmp_path.iterdir())
        parts = [p for p in left if p.name.startswith(".autrt-")]
        assert len(parts) <= 1
        for path in set(left) - set(parts):
            assert path.suffix == ".h5"
            assert verify(path) == []
        assert sweep(tmp_path) == len(parts)
    assert {p.suffix for p in tmp_path.iterdir()} == {".h5"}


FULL_DISK = """
    import os, resource, sys
    from pathlib import Path
    from autrt.errors import DiskFullError
    from autrt.run.folder_lock import lock_folder
    from autrt.results.tables.export import export_table
    from autrt.run.manifest import Manifest
    from autrt.run.run_json import RunJson
    from autrt.results.spool import Spool
    from autrt.results.writer import ResultsWriter
    from tests.support.results import header, names_in, video
    out = Path(sys.argv[1])
    made = video([1, 2] * 3000)

    def write(path):
        with ResultsWriter(path, header()) as writer:
            made.write(writer, 700)
            writer.finish()

    def spool():
        with Spool(out, 2, 3) as spool:
            for block, _ in made.pieces(100):
                spool.append(block)

    def manifest():
        with Manifest(out) as manifest:
            for i in range(99999):
                manifest.record("a", "started")

    def limited(size, action):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            action()
            return False
        except DiskFullError as error:
            assert "make room" in str(error)
            return True
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    write(out / "ok.h5")
    whole = os.path.getsize(out / "ok.h5")
    before = (out / "ok.h5").read_bytes()
    for size in [0, 1, 47, 48, 100, 800, 2048, *range(4000, whole - 1, whole // 14), whole - 1]:
        assert limited(size, lambda: write(out / "new.h5")), size
        assert limited(size, lambda: write(out / "ok.h5")), size
        assert os.listdir(out) == ["ok.h5"], size
    assert (out / "ok.h5").read_bytes() == before
    assert not limited(whole + 100, lambda: write(out / "new.h5"))
    os.unlink(out / "new.h5")
    for size in (0, 1000, 20000, 100000):
        for fmt in ("csv", "openface", "parquet"):
            assert limited(size, lambda: export_table(fmt, out / "a.table", [out / "ok.h5"]))
        assert limited(size, spool)
    assert limited(10, lambda: lock_folder(out, RunJson({"a": 1}), sharded=False))
    assert os.listdir(out) == ["ok.h5"]
    assert limited(1000, manifest)
    assert names_in(out) == ["manifest.jsonl", "ok.h5"]
    print("fine")
"""


def test_writers_report_a_disk_that_fills_up_at_any_byte(tmp_path):
    """RLIMIT_FSIZE makes the kernel refuse writes beyond a size, as a full disk does (EFBIG for ENOSPC)."""
    child = python(FULL_DISK, tmp_path / "out")
    out, err = child.communicate()
    assert (out, child.returncode) == ("fine\n", 0), err


def test_sweep_removes_parts_of_dead_processes_alone(tmp_path):
    writer = ResultsWriter(tmp_path / "a" / "b.h5", header())
    dead = tmp_path / "a" / ".autrt-0123456789abcdef.part"
    dead.write_bytes(b"half")
    others = [
        tmp_path / "a" / name for name in (".autrt-0123.part", "x.part", ".autrt-0123456789abcdef.partial")
    ]
    for other in others:
        other.write_bytes(b"mine")
    (tmp_path / ".autrt-fedcba9876543210.part").symlink_to(others[0])
    assert sweep(tmp_path) == 1
    assert not dead.exists()
    assert all(other.read_bytes() == b"mine" for other in others)
    video([1]).write(writer)
    assert verify(writer.finish()) == []
    assert sweep(tmp_path) == 0
    assert sweep(tmp_path / "nowhere") == 0


def test_replacing_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "x" / "y.csv"
    with replacing(target) as part:
        part.write_text("old")
        assert not target.exists()

    def fail() -> None:
        with replacing(target) as part:
            part.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert names_in(target.parent) == ["y.csv"]


def test_part_commit_lets_one_of_two_have_a_name(tmp_path):
    parts = [Part(tmp_path / "run.json") for _ in range(3)]
    for i, part in enumerate(parts):
        part.write(str(i).encode())
    assert [part.commit(replace=False) for part in parts] == [True, False, False]
    assert (tmp_path / "run.json").read_text() == "0"
    assert names_in(tmp_path) == ["run.json"]


def test_parts_work_without_file_locks(tmp_path, monkeypatch):
    def refuse(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    fresh, old = (tmp_path / f".autrt-{c * 16}.part" for c in "ab")
    for path in (fresh, old):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    with ResultsWriter(tmp_path / "a.h5", header()) as writer:
        assert sweep(tmp_path) == 1  # what may be somebody's stays
        assert not old.exists()
        writer.finish()
    assert names_in(tmp_path) == [fresh.name, "a.h5"]
