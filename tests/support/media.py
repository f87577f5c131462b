"""Makes small videos and pictures of known content, and damages them in known ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from autrt.video.pyav_compat import ONE_THREAD

_CAN_TURN = hasattr(VideoStream, "set_display_rotation")

U8 = NDArray[np.uint8]

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 170, 40), (40, 50, 200), (225, 225, 225)
CORNERS = {"top left": RED, "top right": GREEN, "bottom left": BLUE, "bottom right": WHITE}


def scene(index: int, width: int = 96, height: int = 64) -> U8:
    """An RGB picture with a colour in each quarter and a grey square in the middle that tells the index."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = BLUE
    picture[height // 2 :, width // 2 :] = WHITE
    y, x, side = height // 2, width // 2, min(width, height) // 4
    picture[y - side : y + side, x - side : x + side] = level(index)
    return picture


def level(index: int) -> int:
    """Grey of the square in the middle of `scene(index)`."""
    return 40 + 16 * (index % 11)


def corners_of(picture: U8) -> dict[str, tuple[float, ...]]:
    """Mean colour near each corner."""
    h, w = picture.shape[0] // 6, picture.shape[1] // 6
    parts = {
        "top left": picture[:h, :w],
        "top right": picture[:h, -w:],
        "bottom left": picture[-h:, :w],
        "bottom right": picture[-h:, -w:],
    }
    return {name: tuple(part.reshape(-1, 3).mean(0)) for name, part in parts.items()}


def middle_of(picture: U8) -> float:
    """Mean of the square in the middle."""
    y, x, side = picture.shape[0] // 2, picture.shape[1] // 2, min(picture.shape[:2]) // 8
    return float(picture[y - side : y + side, x - side : x + side].mean())


@dataclass
class Clip:
    """How to write a video of `scene`s."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    frames: int = 24
    width: int = 96
    height: int = 64
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    stamps: Sequence[int] | None = None
    """Ticks of `time_base`; one per frame period without."""
    options: dict[str, str] = field(default_factory=dict)
    muxer: str | None = None
    muxer_options: dict[str, str] = field(default_factory=dict)
    rotation: tuple[Any, ...] | None = None
    """Arguments of PyAV's set_display_rotation: degrees counterclockwise, mirrored x, mirrored y."""
    pixel_aspect: Fraction | None = None
    audio: bool = False
    cover: bytes | None = None
    """A JPEG to attach as cover picture, before the video."""
    colour: dict[str, int] = field(default_factory=dict)
    """Frame attributes such as colorspace and color_range."""
    grain: int = 0
    """Noise of up to so many grey levels, so that every frame costs some bytes."""
    edit_packet: Callable[[Any, int], None] = lambda packet, number: None
    """Changes the n-th video packet before it is written."""

    def write(self, path: Path) -> Path:
        """Write the file."""
        write_video(path, [self._picture(i) for i in range(self.frames)], self)
        return path

    def _picture(self, i: int) -> U8:
        picture = scene(i, self.width, self.height)
        noise = np.random.default_rng(i).integers(-self.grain, self.grain + 1, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)


def write_video(path: Path, pictures: Sequence[U8], clip: Clip) -> None:
    """Encode RGB pictures."""
    base = clip.time_base or 1 / clip.rate
    with av.open(str(path), "w", format=clip.muxer, options=clip.muxer_options) as container:
        cover = _cover_stream(container) if clip.cover else None
        stream = _video_stream(container, clip)
        sound = container.add_stream("aac", rate=48000) if clip.audio else None
        container.start_encoding()
        if cover is not None:
            container.mux(_cover_packet(cover, clip.cover))
        number = 0
        for i, picture in enumerate([*pictures, None]):
            packets = stream.encode(None if picture is None else _frame(picture, i, base, clip))
            for packet in packets:
                clip.edit_packet(packet, number)
                number += 1
                container.mux(packet)
            if sound is not None:
                container.mux(sound.encode(None if picture is None else _silence(i, clip.rate)))
    if clip.rotation is not None and not _CAN_TURN:
        _turn_mp4(path, *clip.rotation)


def _turn_mp4(path: Path, degrees: float, mirror_x: bool = False, mirror_y: bool = False) -> None:
    """Put into the head of a finished MP4 what PyAV's set_display_rotation does, where PyAV lacks that."""
    if path.suffix != ".mp4":
        pytest.skip("this release of PyAV cannot write a rotation into any file but an MP4")
    angle = np.deg2rad(degrees)
    matrix = np.diag([0, 0, 1 << 30])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix[:2, :2] = np.rint(65536 * turn * np.where([mirror_x, mirror_y], -1, 1))
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of flags, times and layers
    data[start : start + 36] = matrix.astype(">i4").tobytes()
    path.write_bytes(data)


def _video_stream(container: Any, clip: Clip) -> Any:
    stream = container.add_stream(clip.codec, rate=clip.rate, options=clip.options)
    stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
    stream.thread_count = 1
    if clip.time_base is not None:
        stream.codec_context.time_base = clip.time_base
    if clip.pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = clip.pixel_aspect
    if clip.rotation is not None and _CAN_TURN:
        stream.set_display_rotation(*clip.rotation)
    for name, value in clip.colour.items():
        setattr(stream.codec_context, name, value)
    return stream


def _frame(picture: U8, i: int, base: Fraction, clip: Clip) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    if clip.pixel_format != "rgb24":
        to = {
            "dst_colorspace": clip.colour.get("colorspace"),
            "dst_color_range": clip.colour.get("color_range"),
        }
        frame = frame.reformat(format=clip.pixel_format, **ONE_THREAD, **{k: v for k, v in to.items() if v})
    frame.pts = i if clip.stamps is None else clip.stamps[i]
    frame.time_base = base
    return frame


def _silence(i: int, rate: Fraction) -> av.AudioFrame:
    samples = int(48000 / rate)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, i * samples, Fraction(1, 48000)
    return frame


def write_planes(
    path: Path, pixel_format: str, planes: Sequence[NDArray[Any]], size: tuple[int, int]
) -> Path:
    """One lossless frame (FFV1) of exactly these planes, each (rows, bytes per row) uint8."""
    width, height = size
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        lines = np.zeros((plane.height, plane.line_size), np.uint8)
        lines[:, : samples.shape[1]] = samples
        plane.update(lines.tobytes())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_audio(path: Path, seconds: float = 1.0, cover: bytes | None = None) -> Path:
    """A file of silence, on request with a cover picture (JPEG bytes)."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        if cover is not None:
            stream = _cover_stream(container)
            container.start_encoding()
            container.mux(_cover_packet(stream, cover))
        for i in range(int(seconds * 25)):
            container.mux(sound.encode(_silence(i, Fraction(25))))
        container.mux(sound.encode(None))
    return path


def _cover_stream(container: Any) -> Any:
    stream = container.add_stream("mjpeg", rate=25)
    stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic.value
    return stream


def _cover_packet(stream: Any, jpeg: bytes | None) -> Any:
    packet: Any = av.Packet(jpeg)
    packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 25)
    return packet


def write_picture(path: Path, picture: U8) -> Path:
    """A picture file of an RGB array, in the format that the name says."""
    done, data = cv2.imencode(path.suffix, picture[:, :, ::-1] if picture.ndim == 3 else picture)
    assert done
    path.write_bytes(data.tobytes())
    return path


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG that says it is to be turned (EXIF orientation 1 to 8)."""
    tiff = (
        b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01"
        + bytes([0, orientation, 0, 0])
        + bytes(4)
    )
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body + jpeg[2:]


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


def half(path: Path, to: Path, share: float = 0.5) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    return to


def flipped(
    path: Path, to: Path, seed: int = 0, count: int = 20, where: tuple[float, float] = (0.3, 0.7)
) -> Path:
    """A copy with single bits flipped between two shares of its length."""
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for i in random.integers(int(len(data) * where[0]), int(len(data) * where[1]), count):
        data[i] ^= 1 << int(random.integers(8))
    to.write_bytes(data)
    return to


def decoded_alone(path: Path) -> list[tuple[float, U8]]:
    """Times from the container's start and RGB pictures by PyAV's plain decode loop, nothing of ours."""
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        start = (container.start_time or 0) / av.time_base
        return [
            (float(frame.pts * stream.time_base) - start, frame.to_ndarray(format="rgb24"))
            for frame in cast("Iterator[Any]", container.decode(stream))
        ]
