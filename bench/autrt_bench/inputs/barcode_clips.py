"""Clips whose pictures carry their number as a barcode, and what a GPU's decoder must do with each.

`CLIPS` has one of each codec that NVDEC gets, and one of each reason to leave a file to the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from autrt.types import U8

BITS: Final = 8
_DARK, _BRIGHT = 40, 210
_RATE: Final = Fraction(25)
_HEVC: Final = "log-level=none:bframes=2"
_VPX: Final = {"deadline": "realtime", "cpu-used": "8", "b": "1M"}
_FAST: Final = {"preset": "ultrafast"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarcodeClip:
    """How to write a clip."""

    name: str
    """File name; its suffix chooses the container."""
    refused: str = ""
    """Part of the reason for which it must be left to the CPU; empty where NVDEC must decode it."""
    encoder: str = "libx264"
    options: dict[str, str] = field(default_factory=dict[str, str])
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (256, 192)
    frames: int = 30
    stamps: Callable[[int], int] | None = None
    """Number of a picture → its time in ms; at 25 pictures a second without."""
    muxer_options: dict[str, str] = field(default_factory=dict[str, str])
    cut_at_key: int = 0
    """Number of the key frame that the file is cut at, without decoding."""
    then: tuple[int, int] | None = None
    """Size of a second half, which is joined on."""
    hidden: frozenset[int] = frozenset()
    """VP8: numbers of pictures that are decoded and not shown, as alt-ref frames are; each has its packet."""
    after: tuple[int, int] | None = None
    """Size of an H.264 clip that the same process decodes before it."""
    shown: tuple[int, ...] = ()
    """Numbers of the pictures that a decoder must give; by default all."""

    def is_shown_by(self, numbers: Sequence[int]) -> bool:
        """Return whether these numbers, read from decoded pictures in order, are those that they must be.

        Pictures before the key frame that a file is cut at may be missing or damaged.
        """
        expected = list(self.shown) or list(range(self.frames * (1 if self.then is None else 2)))
        return list(numbers[-len(expected) :] if self.cut_at_key else numbers) == expected

    @property
    def before(self) -> BarcodeClip | None:
        """The clip that the same process decodes first."""
        if self.after is None:
            return None
        return BarcodeClip(name=f"before_{self.name}", size=self.after, frames=4, options=_FAST)

    def write(self, folder: Path) -> Path:
        """Write the clip and return its path."""
        path = folder / self.name
        if self.then is not None:
            _join(path, [_elementary(self, folder, size, i) for i, size in enumerate((self.size, self.then))])
        elif self.cut_at_key:
            whole = path.with_name(f"whole_{path.name}")
            _encode(self, whole, self.size)
            cut_from(whole, path, self.cut_at_key)
        else:
            _encode(self, path, self.size)
        if self.hidden:
            _hide(path, self.hidden)
        return path


_OPEN_GOPS: Final = "keyint=12:min-keyint=12:open-gop=1"
CLIPS: Final = (
    BarcodeClip(name="h264.mp4", options={"bf": "2"}),
    BarcodeClip(name="h264.ts", options={"bf": "2"}),
    BarcodeClip(name="hevc.ts", encoder="libx265", options={"x265-params": _HEVC}),
    BarcodeClip(name="variable.mkv", options={"bf": "2"}, stamps=lambda i: 40 * i + i * i % 17),
    BarcodeClip(name="open_gops.mkv", encoder="libx265", options={"x265-params": f"{_HEVC}:{_OPEN_GOPS}"}),
    BarcodeClip(name="vp8.webm", encoder="libvpx", options=_VPX),
    BarcodeClip(name="vp9.webm", encoder="libvpx-vp9", options={**_VPX, "lag-in-frames": "0"}),
    BarcodeClip(name="mpeg4.mp4", encoder="mpeg4", options={"bf": "2", "b": "2M"}),
    BarcodeClip(name="536_lines.mp4", size=(1280, 536), frames=8, options=_FAST),
    BarcodeClip(name="1080p.mp4", size=(1920, 1080), frames=8, options=_FAST),
    BarcodeClip(name="1080p_again.mp4", size=(1920, 1080), frames=8, options=_FAST, after=(1920, 1080)),
    BarcodeClip(
        name="536_after_544_lines.mp4",
        size=(1280, 536),
        frames=8,
        options=_FAST,
        after=(1280, 544),
        refused="an earlier video of 1280×544",
    ),
    BarcodeClip(name="hierarchical.mkv", encoder="libsvtav1", options={"preset": "10"}, refused="av1"),
    BarcodeClip(name="vp9_alt_ref.webm", encoder="libvpx-vp9", options=_VPX, refused="hidden or several"),
    BarcodeClip(
        name="vp8_alt_ref.webm",
        encoder="libvpx",
        options=_VPX,
        hidden=frozenset({7, 19}),
        shown=tuple(sorted({*range(30)} - {7, 19})),
        refused="hidden or several",
    ),
    BarcodeClip(
        name="from_cra.mkv",
        encoder="libx265",
        options={"x265-params": f"{_HEVC}:{_OPEN_GOPS}"},
        cut_at_key=1,
        shown=tuple(range(12, 30)),
        refused="stands alone",
    ),
    BarcodeClip(
        name="without_idr.mkv",
        options={"x264-params": f"{_OPEN_GOPS}:bframes=2"},
        cut_at_key=1,
        shown=tuple(range(12, 30)),
        refused="stands alone",
    ),
    BarcodeClip(
        name="negative.ts",
        options={"bf": "0"},
        stamps=lambda i: 40 * i - 200,
        muxer_options={"avoid_negative_ts": "disabled"},
        refused="negative",
    ),
    BarcodeClip(
        name="negative.mkv",
        options={"bf": "0"},
        stamps=lambda i: 40 * i - 200,
        muxer_options={"avoid_negative_ts": "disabled"},
        refused="no time",  # Matroska keeps none of them
    ),
    BarcodeClip(name="huge_ticks.mkv", stamps=lambda i: 40 * i + (1 << 31), refused="ticks and more"),
    BarcodeClip(name="odd.webm", encoder="libvpx-vp9", options=_VPX, size=(257, 193), refused="is odd"),
    BarcodeClip(name="tiny.mp4", size=(32, 32), refused="from 48×16"),
    BarcodeClip(name="grows.mkv", size=(256, 192), then=(256, 208), frames=10, refused="change"),
    BarcodeClip(
        name="ten_bits.mkv",
        encoder="libx265",
        pixel_format="yuv420p10le",
        options={"x265-params": _HEVC},
        refused="yuv420p10le",
    ),
    BarcodeClip(name="422.mp4", pixel_format="yuv422p", refused="yuv422p"),
)


def number_of(picture: U8) -> int:
    """Return the number that a picture carries: (height, width, 3) uint8 RGB."""
    height, width = picture.shape[:2]
    bars = picture[: height // 2].mean((0, 2))
    middle = [int((i + 0.5) * width / BITS) for i in range(BITS)]
    return sum(int(bars[x] > (_DARK + _BRIGHT) / 2) << i for i, x in enumerate(middle))


def cut_from(source: Path, target: Path, key: int) -> Path:
    """Copy a video's packets from its n-th key frame on, without decoding; the first is number 0."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        found = -1
        for packet in before.demux(video=0):
            found += packet.is_keyframe
            if packet.size and found >= key:
                packet.stream = stream
                after.mux(packet)
    return target


def _picture(number: int, size: tuple[int, int]) -> U8:
    """Draw bars in the upper half, the lowest bit at the left, and a gradient that moves below."""
    width, height = size
    bit = np.arange(width) * BITS // width
    bars = np.where(number >> bit & 1, _BRIGHT, _DARK)
    ramp = (np.arange(width)[None] + np.arange(height)[:, None] + 5 * number) % 128 + 60
    grey = np.where(np.arange(height)[:, None] < height * 5 // 8, bars, ramp).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _encode(clip: BarcodeClip, path: Path, size: tuple[int, int], first: int = 0) -> None:
    base = Fraction(1, 1000) if clip.stamps else 1 / _RATE
    with av.open(str(path), "w", options=clip.muxer_options) as container:
        stream: Any = container.add_stream(clip.encoder, rate=_RATE, options=clip.options)
        stream.width, stream.height, stream.pix_fmt = *size, clip.pixel_format
        stream.codec_context.time_base = base
        for i in range(first, first + clip.frames):
            frame = av.VideoFrame.from_ndarray(_picture(i, size), "rgb24").reformat(format=clip.pixel_format)
            frame.pts, frame.time_base = clip.stamps(i) if clip.stamps else i, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _hide(path: Path, numbers: Iterable[int]) -> None:
    """Mark pictures of a VP8 file as not to be shown, by the bit of their packets that says so."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for number in numbers:
        data[data.index(packets[number])] &= ~0x10
    path.write_bytes(data)


def _elementary(clip: BarcodeClip, folder: Path, size: tuple[int, int], part: int) -> bytes:
    path = folder / f"{clip.name}.{part}.h264"
    _encode(clip, path, size, part * clip.frames)
    return path.read_bytes()


def _join(path: Path, parts: Sequence[bytes]) -> None:
    """Put H.264 streams one after the other into one stream of a container."""
    stream_of_all = path.with_suffix(".h264")
    stream_of_all.write_bytes(b"".join(parts))
    with av.open(str(stream_of_all)) as before, av.open(str(path), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for i, packet in enumerate(packet for packet in before.demux(video=0) if packet.size):
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, 1 / _RATE
            after.mux(packet)
