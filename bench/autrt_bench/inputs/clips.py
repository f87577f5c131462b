"""Videos to measure on: a demo clip, or variants of it that are larger, longer, or have more faces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np

from autrt.download.fetch import fetch
from autrt.results.fingerprint import fingerprint
from autrt.storage.atomic_file import replacing
from autrt.storage.cache import cache_dir
from autrt.types import U8

DEMO: Final = "clip-laugh"

ENCODERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "23"}),
    "hevc": ("libx265", {"preset": "ultrafast", "crf": "26", "x265-params": "log-level=none"}),
    "vp9": (
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "34", "b": "0"},
    ),
    "av1": ("libsvtav1", {"preset": "10", "crf": "35"}),
    "mjpeg": ("mjpeg", {"q": "4"}),
}
"""Codec → FFmpeg's encoder and its options, for fast encoding at web quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipVariant:
    """A variant of a clip."""

    width: int
    """Size of the whole picture in pixels."""
    height: int
    codec: str = "h264"
    faces: int = 1
    """Number of copies of the clip, in `columns` columns; the rest is grey."""
    columns: int = 1
    rows: int = 1
    frames: int | None = None
    """Largest number of frames."""

    @property
    def name(self) -> str:
        """Name that distinguishes it from other variants."""
        length = f"-{self.frames}" if self.frames else ""
        return f"{self.codec}-{self.width}x{self.height}-{self.faces}of{self.columns * self.rows}{length}"


def demo_clip(log: Callable[[str], object]) -> Path:
    """Return a clip of a real face: 640×360 H.264, 472 frames, 19.7 s.

    Raises:
        AutrtError: it is not in the cache and cannot be downloaded.
    """
    return fetch(DEMO, report=log)


def make_variant(source: Path, recipe: ClipVariant, log: Callable[[str], object]) -> Path:
    """Return a variant of a clip, encoded unless it is cached."""
    return _cached(source, f"{recipe.name}.mkv", log, lambda part: _encode(source, part, recipe))


def make_longer(source: Path, minutes: float, log: Callable[[str], object]) -> Path:
    """Return the clip repeated until it lasts about `minutes`; its packets are copied."""
    with av.open(str(source)) as clip:
        duration_s = (clip.duration or av.time_base) / av.time_base
    times = max(1, round(60 * minutes / duration_s))
    return _cached(source, f"{times}-times.mkv", log, lambda part: _repeat(source, part, times))


def _cached(source: Path, how: str, log: Callable[[str], object], make: Callable[[Path], object]) -> Path:
    target = cache_dir() / "bench/clips" / f"{fingerprint(source)[:12]}-{how}"
    if not target.is_file():
        log(f"making {target}")
        with replacing(target) as part:
            make(part)
    return target


def _encode(source: Path, target: Path, recipe: ClipVariant) -> None:
    encoder, options = ENCODERS[recipe.codec]
    os.environ.setdefault("SVT_LOG", "1")  # makes the AV1 encoder print errors only
    with av.open(str(source)) as clip, av.open(str(target), "w", format="matroska") as out:
        shown: Any = clip.streams.video[0]
        stream: Any = out.add_stream(encoder, rate=shown.average_rate, options=options)
        stream.width, stream.height = recipe.width, recipe.height
        stream.pix_fmt = "yuvj420p" if recipe.codec == "mjpeg" else "yuv420p"
        for number, picture in enumerate(islice(_pictures(clip), recipe.frames)):
            frame = av.VideoFrame.from_ndarray(_tiled(picture, recipe), "rgb24")
            frame.pts, frame.time_base = number, 1 / shown.average_rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _pictures(clip: Any) -> Iterator[U8]:
    for frame in clip.decode(video=0):
        yield frame.to_ndarray(format="rgb24")


def _tiled(picture: U8, recipe: ClipVariant) -> U8:
    """Return the (height, width, 3) RGB picture with `faces` copies of `picture` in it."""
    width, height = recipe.width // recipe.columns, recipe.height // recipe.rows
    tile = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    whole = np.full((recipe.height, recipe.width, 3), 96, np.uint8)
    for place in range(recipe.faces):
        row, column = divmod(place, recipe.columns)
        whole[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return whole


def _repeat(source: Path, target: Path, times: int) -> None:
    with av.open(str(target), "w", format="matroska") as out:
        offset, stream = 0, None
        for _ in range(times):
            with av.open(str(source)) as clip:
                stream = stream or out.add_stream_from_template(clip.streams.video[0])
                offset = _copy(clip, out, stream, offset)


def _copy(clip: Any, out: Any, stream: Any, offset: int) -> int:
    """Copy every packet of a clip, `offset` ticks later; return the start of the next copy."""
    end = offset
    for packet in clip.demux(video=0):
        if packet.dts is None or packet.pts is None or packet.duration is None:
            continue
        packet.pts += offset
        packet.dts += offset
        end = max(end, packet.pts + packet.duration)
        packet.stream = stream
        out.mux(packet)
    return end
