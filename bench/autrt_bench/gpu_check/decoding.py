"""Decoding: clips of every codec, decoded by DALI and by PyAV and compared frame by frame."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from autrt.types import U8
from autrt.video.pyav import PyavDecoder
from autrt_bench.gpu_check.checks import Failure, Measured, Missing
from autrt_bench.gpu_check.machine import require, synchronise
from autrt_bench.measure.gpu_load import GpuLoad

_SIZE: Final = {"cpu": (320, 180, 50), "cuda": (1280, 720, 300)}
"""Width, height and frames of a clip."""

_MEAN, _P90 = 2.0, 4.0
"""Largest differences of colours in grey levels (mean, 90th percentile): DALI does not interpolate chroma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """A codec and how to encode a clip with it."""

    name: str
    encoder: str
    suffix: str
    options: dict[str, str] = field(default_factory=dict[str, str])
    on_cpu: bool = False
    """DALI can decode it on CPUs."""
    on_gpu: bool = True
    """DALI can decode it by NVDEC."""
    pixel_format: str = "yuv420p"
    colour: dict[str, int] = field(default_factory=dict[str, int])
    """`colorspace` and `color_range` as in ITU-T H.273 and FFmpeg."""


_VP9: Final = {"deadline": "realtime", "cpu-used": "8", "b": "4M", "lag-in-frames": "0"}
CODECS: Final = (
    Codec(name="h264", encoder="libx264", suffix=".mp4", options={"preset": "veryfast", "bf": "2"}),
    Codec(
        name="h264, BT.601 full range",
        encoder="libx264",
        suffix=".mp4",
        colour={"colorspace": 6, "color_range": 2},
    ),
    Codec(
        name="hevc",
        encoder="libx265",
        suffix=".mp4",
        options={"preset": "ultrafast", "x265-params": "log-level=none"},
    ),
    Codec(name="mpeg4", encoder="mpeg4", suffix=".mp4", options={"b": "4M", "bf": "2"}),
    Codec(name="vp9", encoder="libvpx-vp9", suffix=".webm", options=_VP9, on_cpu=True),
    Codec(name="mjpeg", encoder="mjpeg", suffix=".avi", on_cpu=True, on_gpu=False, pixel_format="yuvj420p"),
)


def check_codec(codec: Codec, device: str, folder: Path) -> Measured:
    """Write a clip, decode it both ways, compare, and time DALI.

    Raises:
        Missing: something is not here.
        Failure: DALI gives other frames, or gave up.
    """
    require(device, "torch", "nvidia.dali")
    if not codec.on_gpu:
        device = "cpu"
    path = _write(codec, folder, *_SIZE[device.partition(":")[0]])
    if device == "cpu" and not codec.on_cpu:
        raise Missing(f"needs NVDEC; written, and decoded by PyAV: {_count(path)} frames")
    parity = _compare(path, device)
    return Measured(parity, *_time(path, device), "on the CPU" if device == "cpu" else "")


def _count(path: Path) -> int:
    with closing(PyavDecoder(path)) as decoder:
        return sum(1 for _ in decoder)


def _compare(path: Path, device: str) -> str:
    from autrt.gpu.dali import DaliDecoder

    means: list[float] = []
    worst = 0.0
    with closing(DaliDecoder(path, device)) as decoder, closing(PyavDecoder(path)) as other:
        if decoder.info != other.info:
            raise Failure(f"other facts: {decoder.info} for {other.info}")
        for a, b in zip(decoder, other, strict=True):
            if (a.index, a.pts, a.time_s) != (b.index, b.pts, b.time_s):
                raise Failure(f"frame {b.index} at {b.time_s} s came as {a.index} at {a.time_s} s")
            error = np.abs(a.image.rgb().astype(np.int16) - b.image.rgb())
            means.append(float(error.mean()))
            worst = max(worst, float(np.percentile(error, 90)))
        if decoder.fallback is not None:
            raise Failure(f"PyAV had to take over: {decoder.fallback}")
    parity = f"{len(means)} frames, mean {np.mean(means):.2f}, p90 {worst:.0f} grey levels"
    if np.mean(means) > _MEAN or worst > _P90:
        raise Failure(f"other colours: {parity}")
    return parity


def _time(path: Path, device: str) -> tuple[str, str]:
    from autrt.gpu.dali import DaliDecoder

    start_s = time.monotonic()
    with GpuLoad(device) as load, closing(DaliDecoder(path, device)) as decoder:
        frames = sum(1 for _ in decoder)
        synchronise(device)
        seconds = time.monotonic() - start_s
    return f"{frames / seconds:.0f} frames/s", load.as_text


def _write(codec: Codec, folder: Path, width: int, height: int, frames: int) -> Path:
    path = folder / f"{codec.name.partition(',')[0]}{len(codec.colour)}{codec.suffix}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec.encoder, rate=Fraction(25), options=codec.options)
        stream.width, stream.height, stream.pix_fmt = width, height, codec.pixel_format
        for name, value in codec.colour.items():
            setattr(stream.codec_context, name, value)
        to = {f"dst_{name}": value for name, value in codec.colour.items()}
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(_picture(i, width, height), "rgb24")
            frame = frame.reformat(format=codec.pixel_format, **to)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _picture(number: int, width: int, height: int) -> U8:
    """Return soft drifting colours without edges, where the two ways to upsample chroma would differ."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [
        np.sin(x / (40 + 9 * c) + number / 9 + c) + np.sin(y / (30 + 7 * c) - number / 7) for c in range(3)
    ]
    return np.clip(128 + 50 * np.stack(waves, axis=-1), 0, 255).astype(np.uint8)
