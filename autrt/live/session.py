"""A live session: camera → recogniser → viewers and recording."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.live.camera import Camera, Shot
from autrt.live.newest import NewestShot
from autrt.live.recording import Recording
from autrt.recogniser.faces import RecognisedFrame
from autrt.recogniser.recogniser import Recogniser
from autrt.types import U8

_RATE_OVER: Final = 60
"""Frames over which the rate is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The newest recognised frame, as viewers see it."""

    picture: U8
    """(H, W, 3) uint8 RGB; not to be written to."""
    frame: RecognisedFrame
    latency_s: float
    """From the picture's arrival to its result."""
    rate_hz: float
    """Recognised frames a second, over the last `_RATE_OVER`."""
    left_out: int
    """Pictures of the camera that were not recognised, as newer ones had come."""
    recorded: int | None
    """Frames in the recording; None without one."""


class Session:
    """Recognises a camera's pictures until it ends or `stop` is called.

    Args:
        recogniser: opened networks.
        camera: an opened camera.
        record: a results file to write; None: none.
    """

    def __init__(self, recogniser: Recogniser, camera: Camera, record: Path | None = None) -> None:
        self.recogniser, self.camera = recogniser, camera
        self._record = record
        self._newest = NewestShot(camera)
        self._changed = threading.Condition()
        self._seen: Seen | None = None
        self._ended = False
        self._done_s: deque[float] = deque(maxlen=_RATE_OVER)
        self._shot: Shot | None = None

    def run(self, seconds: float | None = None) -> tuple[int, Path | None]:
        """Recognise until the end; return the number of frames and the recording.

        Args:
            seconds: end after so much time of the camera; None: never.

        Raises:
            VideoError: the camera broke off; the recording up to there is kept.
            DiskFullError, ResultsError: the recording cannot be written.
            EngineError: a network failed.
        """
        try:
            with self._newest:
                return self._run(seconds)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def stop(self) -> None:
        """End the session in order; any thread may call it, and a signal handler."""
        self._newest.stop()

    def wait(self, after: int, timeout_s: float) -> Seen | None:
        """Return the newest frame once its number is above `after`; None where the time is up.

        Raises:
            EOFError: the session has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._is_newer(after), timeout_s)
            if self._is_newer(after):
                return self._seen
            if self._ended:
                raise EOFError
            return None

    def _is_newer(self, after: int) -> bool:
        return self._seen is not None and self._seen.frame.index > after

    def _run(self, seconds: float | None) -> tuple[int, Path | None]:
        n, recording = 0, None
        try:
            for recognised, block in self.recogniser.stream_with_blocks(self._pairs(seconds)):
                assert self._shot is not None, "the recogniser asked for it"
                n += 1
                if self._record is not None:
                    recording = recording or Recording(
                        self._record, self.camera.name, self._shot.picture, self.recogniser.job
                    )
                    recording.write(block)
                self._show(recognised, self._shot, recording)
        finally:
            written = recording and self._finished(recording)
        return n, written

    @staticmethod
    def _finished(recording: Recording) -> Path:
        with recording:
            return recording.finish()

    def _pairs(self, seconds: float | None) -> Iterator[tuple[U8, float]]:
        for shot in self._newest:
            if seconds is not None and shot.time_s > seconds:
                return
            self._shot = shot
            yield shot.picture, shot.time_s

    def _show(self, recognised: RecognisedFrame, shot: Shot, recording: Recording | None) -> None:
        now_s = time.monotonic()
        self._done_s.append(now_s)
        past_s = now_s - self._done_s[0]
        seen = Seen(
            picture=shot.picture,
            frame=recognised,
            latency_s=now_s - shot.taken_s,
            rate_hz=(len(self._done_s) - 1) / past_s if past_s else 0.0,
            left_out=self._newest.left_out,
            recorded=None if recording is None else recording.n_frames,
        )
        with self._changed:
            self._seen = seen
            self._changed.notify_all()
