"""Videos of large frames wait for room; others, and those that a machine can hold, never do."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import pytest

from autrt.run.memory_budget import BYTES_PER_PIXEL, MemoryBudget
from autrt.types import Source
from autrt.video.probe import stated_pixels
from tests.support.media import Clip, scene, write_picture

MB = 1 << 20
UHD_8K = 7680 * 4320


def source(name: str) -> Source:
    return Source(Path(name), name, "video")


def budget(limit_bytes: float, asked: list[str] | None = None) -> MemoryBudget:
    def pixels_of(video: Source) -> int:
        if asked is not None:
            asked.append(video.relative)
        return UHD_8K if video.relative == "8k" else 1920 * 1080

    return MemoryBudget(
        limit_bytes, workers=4, each_bytes=300 * MB, max_pixels=120_000_000, pixels_of=pixels_of
    )


def most_at_once(memory: MemoryBudget, names: list[str]) -> int:
    """Videos that were in flight together, each for a moment."""
    together, most, lock, stop = 0, 0, threading.Lock(), threading.Event()

    def do(name: str) -> None:
        nonlocal together, most
        with memory.reserved(source(name), stop):
            with lock:
                together += 1
                most = max(most, together)
            time.sleep(0.05)
            with lock:
                together -= 1

    threads = [threading.Thread(target=do, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


@pytest.mark.parametrize(
    ("limit_mb", "names", "most"),
    [
        (1200, ["hd"] * 4, 4),
        (700, ["hd"] * 4, 2),
        (1600, ["8k"] * 3, 2),
        (100, ["8k"] * 3, 1),  # one goes on in any case
    ],
)
def test_memory_budget_lets_in_what_fits(limit_mb, names, most):
    assert 300 * MB + BYTES_PER_PIXEL * (UHD_8K - 4096 * 2304) < 700 * MB
    assert most_at_once(budget(limit_mb * MB), names) == most


def test_memory_budget_opens_no_video_where_memory_suffices():
    asked: list[str] = []
    with budget(float("inf"), asked).reserved(source("8k"), threading.Event()):
        pass
    assert asked == []


def test_memory_budget_waits_no_longer_than_a_stop():
    memory, stop = budget(700 * MB), threading.Event()
    with memory.reserved(source("8k"), stop):
        threading.Timer(0.1, stop.set).start()
        start_s = time.monotonic()
        with memory.reserved(source("8k"), stop):
            assert time.monotonic() - start_s < 5


def test_stated_pixels_are_read_from_heads(tmp_path):
    video = Clip(frames=2).write(tmp_path / "a.mp4")
    still = write_picture(tmp_path / "a.jpg", scene(0))
    (tmp_path / "folder").mkdir()
    write_picture(tmp_path / "folder" / "00001.png", cv2.resize(scene(0), (192, 64)))
    (tmp_path / "text.mp4").write_text("no video")
    assert stated_pixels(Source(video, "a.mp4", "video")) == 96 * 64
    assert stated_pixels(Source(still, "a.jpg", "still")) == 96 * 64
    assert stated_pixels(Source(tmp_path / "folder", "folder", "images")) == 192 * 64
    assert stated_pixels(Source(tmp_path / "text.mp4", "text.mp4", "video")) == 0
    assert stated_pixels(Source(tmp_path / "gone.mp4", "gone.mp4", "video")) == 0
