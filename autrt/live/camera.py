"""Cameras: a device, a network stream, or a file that plays at its own speed."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from autrt.errors import UsageError, VideoError
from autrt.storage.escape import escape
from autrt.types import U8, Source
from autrt.video.open import open_decoder

OPEN_S: Final = 10.0
READ_S: Final = 10.0
"""Patience with a network stream: until it opens, and from one picture to the next."""
_LEAST_STEP_S: Final = 1e-3
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PROTOCOLS: Final = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")


class Shot(NamedTuple):
    """One picture of a camera."""

    picture: U8
    """(H, W, 3) uint8 RGB."""
    time_s: float
    """Seconds since the first picture."""
    taken_s: float
    """When it was taken, or where that is unknown received, by `time.monotonic`."""


class Camera(NamedTuple):
    """An opened camera: its pictures are read by one thread."""

    name: str
    """What it is, without passwords."""
    shots: Iterator[Shot]


def open_camera(source: int | str | Path, *, loop: bool = False) -> Camera:
    """Open a camera and read its first picture.

    Args:
        source: number of a camera, the URL of a network stream, or a video file.
        loop: begin a file again at its end.

    Raises:
        UsageError: there is no such camera, or the protocol is unknown.
        VideoError: the stream or file cannot be read.
    """
    if isinstance(source, int):
        return _opened(f"camera {source}", lambda: _device_shots(source))
    if isinstance(source, str) and _URL.match(source):
        if urlsplit(source).scheme.lower() not in _PROTOCOLS:
            raise UsageError(f"{public_name(source)}: expected a URL of {', '.join(_PROTOCOLS)}")
        return _opened(public_name(source), lambda: _stream_shots(source))
    path = Path(source)
    return _opened(escape(path.name), lambda: _file_shots(path, loop))


def public_name(url: str) -> str:
    """Return a stream's URL without what may be secret: user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _opened(name: str, shots: Callable[[], Iterator[Shot]]) -> Camera:
    """Read the first picture, so that what cannot be read is told at once."""
    rest = shots()
    first = next(rest, None)
    if first is None:
        raise VideoError(f"{name}: expected pictures, found none")
    return Camera(name, chain([first], rest))


def _device_shots(number: int) -> Iterator[Shot]:
    device = cv2.VideoCapture(number)
    try:
        if not device.isOpened():
            raise UsageError(
                f"camera {number}: expected a camera, found none that opens: name another number, a file or the "
                "URL of a stream; on Linux cameras are /dev/video0, /dev/video1 … and need the group `video`"
            )
        start_s: float | None = None
        while True:
            there, picture = device.read()
            taken_s = time.monotonic()
            if not there:
                return
            start_s = taken_s if start_s is None else start_s
            rgb: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            yield Shot(rgb, taken_s - start_s, taken_s)
    finally:
        device.release()


def _stream_shots(url: str) -> Iterator[Shot]:
    """Yield the pictures of a network stream, timed by its stamps where they increase."""
    name = public_name(url)
    options = {"rtsp_transport": "tcp"} if url.lower().startswith("rtsp") else {}
    try:
        container = av.open(url, options=options, timeout=(OPEN_S, READ_S))
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a stream that FFmpeg reads"
        raise VideoError(f"{name}: the stream cannot be opened: {reason}") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{name}: expected a stream with pictures, found none in it")
        try:
            yield from _stamped(container)
        except FFmpegError as error:
            raise VideoError(f"{name}: the stream broke off: {error.strerror}") from error


def _stamped(container: InputContainer) -> Iterator[Shot]:
    """Yield the pictures of a stream as they arrive."""
    newest: deque[tuple[Any, float]] = deque(maxlen=1)

    def stamps() -> Iterator[tuple[float | None, float]]:
        for frame in container.decode(container.streams.video[0]):
            newest.append((frame, arrived_s := time.monotonic()))
            yield None if frame.pts is None else float(frame.time), arrived_s

    for time_s in stamp_times(stamps()):
        frame, arrived_s = newest[0]
        yield Shot(frame.to_ndarray(format="rgb24"), time_s, arrived_s)


def stamp_times(pictures: Iterable[tuple[float | None, float]]) -> Iterator[float]:
    """Yield increasing times of a stream's pictures, in seconds since the first.

    They are the stamps'; where those are missing, stand still or fall back, by arrival.

    Args:
        pictures: stamp (s), or None, and time of arrival (s) of each.
    """
    offset_s = last_s = last_arrived_s = 0.0
    for i, (stamp_s, arrived_s) in enumerate(pictures):
        time_s = None if stamp_s is None else stamp_s + offset_s
        if i == 0:
            time_s = 0.0
            offset_s = -(stamp_s or 0.0)
        elif time_s is None or time_s - last_s < _LEAST_STEP_S:
            time_s = last_s + max(arrived_s - last_arrived_s, _LEAST_STEP_S)
            offset_s += 0.0 if stamp_s is None else time_s - (stamp_s + offset_s)
        yield time_s
        last_s, last_arrived_s = time_s, arrived_s


def _file_shots(path: Path, loop: bool) -> Iterator[Shot]:
    """Yield the pictures of a file when they are due, as a camera would; the first is handed out at once."""
    start_s: float | None = None
    offset_s = 0.0
    while True:
        time_s = offset_s
        with closing(open_decoder(Source(path, path.name, "video"))) as decoder:
            step_s = float(1 / decoder.info.rate)
            for frame in decoder:
                time_s = offset_s + frame.time_s
                picture = np.ascontiguousarray(frame.image.rgb())
                if start_s is None:
                    yield Shot(picture, time_s, time.monotonic())
                    start_s = time.monotonic() - time_s  # the film runs from when somebody looks on
                    continue
                time.sleep(max(0.0, start_s + time_s - time.monotonic()))
                yield Shot(picture, time_s, time.monotonic())
        if not loop:
            return
        offset_s = time_s + step_s
