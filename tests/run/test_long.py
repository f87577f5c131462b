"""Memory over time: a long video needs no more than a short one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.support.fetched import fetched

pytestmark = pytest.mark.slow

PEAK = (
    "import resource, subprocess, sys\n"
    "done = subprocess.run([sys.executable, '-m', 'autrt', *sys.argv[1:]])\n"
    "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
)


def repeated(source: Path, target: Path, times: int) -> Path:
    """The clip so many times in a row, its packets copied."""
    with av.open(str(target), "w") as out:
        offset = 0
        stream = None
        for _ in range(times):
            with av.open(str(source)) as clip:
                stream = stream or out.add_stream_from_template(clip.streams.video[0])
                end = 0
                for packet in clip.demux(video=0):
                    if packet.dts is None or packet.pts is None or packet.duration is None:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += end
    return target


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
