"""Edits containers: MPEG transport streams, Matroska, MP4 and AVI files, and files with several video streams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from tests.support.media import Clip, scene

TS_PACKET = 188
FIRST_PID = 0x100
"""Packet identifier that FFmpeg gives to a transport stream's first stream."""


def ts_packets(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data[i : i + TS_PACKET] for i in range(0, len(data), TS_PACKET)]


def pid_of(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def without_pid(path: Path, to: Path, pid: int = FIRST_PID) -> Path:
    """Drop the packets of a transport stream's stream, which its tables go on to name."""
    to.write_bytes(b"".join(packet for packet in ts_packets(path) if pid_of(packet) != pid))
    return to


def without_first_stamps(path: Path, to: Path, frames: int, pid: int = FIRST_PID) -> Path:
    """Take the time stamps from the first pictures of a transport stream."""
    out, left = [], frames
    for packet in map(bytearray, ts_packets(path)):
        if pid_of(packet) == pid and packet[1] & 0x40 and left:
            left -= 1
            pes = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
            assert packet[pes : pes + 3] == b"\0\0\1"
            packet[pes + 7] &= 0x3F  # no PTS, no DTS
            packet[pes + 9 : pes + 9 + packet[pes + 8]] = b"\xff" * packet[pes + 8]
        out.append(bytes(packet))
    to.write_bytes(b"".join(out))
    return to


def without_first_packet(path: Path, to: Path, pid: int = FIRST_PID) -> Path:
    """Take the first picture's packet from a transport stream; parameter sets that came with it are missing too."""
    out, starts = [], 0
    for packet in ts_packets(path):
        starts += pid_of(packet) == pid and bool(packet[1] & 0x40)
        if pid_of(packet) != pid or starts > 1:
            out.append(packet)
    to.write_bytes(b"".join(out))
    return to


def write_streams(path: Path, *clips: Clip, **muxer_options: str) -> Path:
    """Write a file with a video stream for each clip, in that order; in MP4 the first is marked default."""
    with av.open(str(path), "w", options=muxer_options) as container:
        streams: list[Any] = []
        for clip in clips:
            stream: Any = container.add_stream(clip.codec, rate=clip.rate, options=clip.options)
            stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
            streams.append(stream)
        container.start_encoding()
        for stream, clip in zip(streams, clips, strict=True):
            for i in range(clip.frames):
                frame = av.VideoFrame.from_ndarray(scene(i, clip.width, clip.height), "rgb24")
                frame.pts, frame.time_base = i, 1 / clip.rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def without_default_duration(path: Path) -> Path:
    """Let a Matroska file state no frame rate, as browsers and screen recorders write it."""
    data = path.read_bytes()
    at = data.index(b"\x23\xe3\x83\x84")  # DefaultDuration of 4 bytes becomes Void of 6
    path.write_bytes(data[:at] + b"\xec\x86" + data[at + 2 :])
    return path


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, first byte of the content, end) of all boxes of an MP4 file, nested ones too."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield name, start + 8, start + size
        if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"):
            yield from boxes(data, start + 8, start + size)
        start += size


def with_box_field(path: Path, name: bytes, offset: int, value: bytes) -> Path:
    """Overwrite bytes in every box of a name, `offset` counted from its content."""
    data = bytearray(path.read_bytes())
    found = [start for box, start, _ in boxes(bytes(data)) if box == name]
    assert found, name
    for start in found:
        data[start + offset : start + offset + len(value)] = value
    path.write_bytes(data)
    return path
