"""Damaged and broken video files, made of sound ones: what an archive holds besides good videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import av

from autrt_bench.inputs.barcode_clips import CLIPS, BarcodeClip

FLIPPED_BYTES: Final = 12
"""Bytes that are changed in the middle of a packet's payload."""

_SOUND: Final = {clip.name: clip for clip in CLIPS}
DAMAGED: Final = ("h264.mp4", "open_gops.mkv", "vp8.webm", "vp9.webm", "mpeg4.mp4", "hierarchical.mkv")
"""Clips of each codec that a payload is changed of."""


def flip_payloads(path: Path, target: Path, packets: Sequence[int]) -> Path:
    """Copy a file and change some bytes within packets of its video, the n-th in the order they are stored."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for n in packets:
        payload = stored[n]
        middle = data.index(payload) + len(payload) // 2
        for i in range(middle, middle + min(FLIPPED_BYTES, len(payload) // 4)):
            data[i] ^= 0xFF
    target.write_bytes(data)
    return target


def write_damaged(name: str, folder: Path) -> Path:
    """Write a clip of `DAMAGED` with three packets changed, in the middle and near its end."""
    clip = _SOUND[name]
    sound = _written(clip, folder)
    return flip_payloads(
        sound, folder / f"damaged_{name}", (clip.frames // 2, clip.frames // 2 + 1, clip.frames - 4)
    )


def write_broken(folder: Path) -> list[Path]:
    """Write files of several codecs and containers, broken in every way of `BROKEN`; return their paths."""
    written: list[Path] = []
    for name in ("h264.mp4", "h264.ts", "open_gops.mkv", "vp9.webm", "mpeg4.mp4"):
        data = _written(_SOUND[name], folder / "sound").read_bytes()
        for kind, broken in BROKEN.items():
            path = folder / f"{kind}_{name}"
            path.write_bytes(broken(data, Random(kind)))
            written.append(path)
    return written


def _half(data: bytes, _: Random) -> bytes:
    return data[: len(data) // 2]


def _empty(_: bytes, __: Random) -> bytes:
    return b""


def _text(_: bytes, __: Random) -> bytes:
    return b"This is no video.\n" * 100


def _head_alone(data: bytes, _: Random) -> bytes:
    return data[:64]


def _noise_after_head(data: bytes, random: Random) -> bytes:
    return data[:256] + random.randbytes(len(data) - 256)


def _noisy_head(data: bytes, random: Random) -> bytes:
    """Flip bits in the first kilobyte, where sizes and parameters of the codec are in many containers."""
    return _flipped(data, random, range(16, 1024), 24)


def _noisy_tail(data: bytes, random: Random) -> bytes:
    """Flip bits in the last kilobytes, where an MP4 has its index."""
    return _flipped(data, random, range(len(data) - 2048, len(data)), 24)


def _noisy(data: bytes, random: Random) -> bytes:
    return _flipped(data, random, range(1024, len(data)), 60)


def _zeros_within(data: bytes, _: Random) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(len(data) // 6) + data[third + len(data) // 6 :]


def _twice(data: bytes, _: Random) -> bytes:
    return data + data


def _flipped(data: bytes, random: Random, places: range, count: int) -> bytes:
    out = bytearray(data)
    for _ in range(count):
        out[random.choice(places)] ^= 1 << random.randrange(8)
    return bytes(out)


BROKEN: Final[dict[str, Callable[[bytes, Random], bytes]]] = {
    "half": _half,
    "empty": _empty,
    "text": _text,
    "head": _head_alone,
    "noise": _noise_after_head,
    "bad_head": _noisy_head,
    "bad_tail": _noisy_tail,
    "bits": _noisy,
    "zeros": _zeros_within,
    "twice": _twice,
}
"""Kind → the content of a broken file, of that of a sound one."""


def _written(clip: BarcodeClip, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / clip.name
    return path if path.exists() else clip.write(folder)
