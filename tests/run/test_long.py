"""Memory over time: a long video needs no more than a short one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fetched import fetched
from tests.support.media import repeated

pytestmark = pytest.mark.slow

PEAK = (
    "import resource, subprocess, sys\n"
    "done = subprocess.run([sys.executable, '-m', 'autrt', *sys.argv[1:]])\n"
    "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
)


def peak_bytes(video: Path, out: Path) -> int:
    command = ["infer", str(video), "--out", str(out), "--progress", "none"]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True)
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0
    return kilobytes * 1024


@pytest.mark.timeout(3000)
def test_memory_of_an_hour_is_that_of_a_minute(tmp_path):
    fetched("centerface")
    clip = fetched("clip-laugh")  # 19.7 s
    minute = repeated(clip, tmp_path / "minute.mp4", 3)
    hour = repeated(clip, tmp_path / "hour.mp4", 183)
    peak_bytes(minute, tmp_path / "first")  # builds and caches the engines
    short = peak_bytes(minute, tmp_path / "short")
    assert peak_bytes(hour, tmp_path / "long") <= 1.05 * short
