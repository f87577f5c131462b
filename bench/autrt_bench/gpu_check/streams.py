"""Many videos at once: decoders in threads, each of which must get its own pictures in order."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

from autrt.types import Decoder
from autrt.video.pyav import PyavDecoder
from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.machine import require, synchronise
from autrt_bench.inputs.barcode_clips import BarcodeClip, number_of
from autrt_bench.measure.gpu_load import GpuLoad

STREAMS: Final = (1, 8, 16, 32)
SIZES: Final = {"360p": (640, 360), "1080p": (1920, 1080)}

_FRAMES: Final = {"cpu": {"360p": 30, "1080p": 8}, "cuda": {"360p": 240, "1080p": 120}}
_SEEN_EVERY: Final = 8
"""Every n-th picture's number is read; all are decoded."""


def check_streams(streams: int, size: str, device: str, folder: Path) -> Measured:
    """Decode one clip so many times at once.

    Raises:
        Missing: something is not here.
        Failure: a stream gives other pictures, or PyAV took over.
    """
    require(device, "torch", "nvidia.dali")
    frames = _FRAMES[device.partition(":")[0]][size]
    name = f"streams_{size}.mp4"
    clip = BarcodeClip(name=name, size=SIZES[size], frames=frames, options={"preset": "ultrafast"})
    path = folder / name
    if not path.exists():
        clip.write(folder)
    with GpuLoad(device) as load, ThreadPoolExecutor(streams) as threads:
        start_s = time.monotonic()
        found = list(threads.map(lambda _: _decode(path, device), range(streams)))
        synchronise(device)
        seconds = time.monotonic() - start_s
    expected = [number % 256 for number in range(0, frames, _SEEN_EVERY)]
    wrong = sum(numbers != expected for numbers, _ in found)
    if wrong:
        raise Failure(f"{wrong} of {streams} streams give other pictures")
    if fallbacks := [reason for _, reason in found if reason]:
        raise Failure(f"PyAV had to take over {len(fallbacks)} of {streams}: {fallbacks[0]}")
    note = "by PyAV" if device == "cpu" else ""
    return Measured("pictures in order", f"{streams * frames / seconds:.0f} frames/s", load.as_text, note)


def _decode(path: Path, device: str) -> tuple[list[int], str | None]:
    """Return the numbers of some pictures, and the reason for which PyAV took over."""
    if device == "cpu":
        with closing(PyavDecoder(path)) as decoder:
            return _numbers(decoder), None
    from autrt.gpu.dali import DaliDecoder

    with closing(DaliDecoder(path, device)) as decoder:
        return _numbers(decoder), decoder.fallback


def _numbers(decoder: Decoder) -> list[int]:
    return [number_of(frame.image.resized(64, 48)) for frame in decoder if frame.index % _SEEN_EVERY == 0]
