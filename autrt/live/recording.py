"""Recording of a live stream into a results file."""

from __future__ import annotations

import uuid
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import Final, Self

from autrt.pipeline.sink import ResultsSink
from autrt.results.fingerprint import SourceFacts
from autrt.run.header_of import header_of
from autrt.run.job import Job
from autrt.types import U8, Block, Source, VideoInfo

LIVE: Final = "live"
"""`source_kind` of a recording."""
_NOMINAL_RATE: Final = Fraction(30)


class Recording:
    """Writes the frames of a live stream to a results file of the usual schema.

    `logit` and `probability` are what was shown; `smoothed` and `active` are computed at the end, as for a file:
    with windows around each frame, where the page could only see the past. Until `finish` nothing has the file's
    name. As a context manager it abandons what was not finished.

    Args:
        target: the file.
        camera: its name, for the header.
        picture: (H, W, 3), the first.
        job: model and settings.

    Raises:
        DiskFullError, ResultsError: the place cannot be written; `write` and `finish` too.
    """

    def __init__(self, target: Path, camera: str, picture: U8, job: Job) -> None:
        identity = sha256(uuid.uuid4().bytes).hexdigest()  # no second stream is the same
        facts = SourceFacts(path=camera, kind=LIVE, size_bytes=0, mtime_ns=time_ns(), fingerprint=identity)
        source = Source(Path(camera), camera, "video")
        header = header_of(source, facts, _info(camera, picture), job, job.settings.device)
        header = replace(header, settings={**header.settings, LIVE: True})
        self._sink = ResultsSink(target, header, job.model.weights)
        self.target = target

    @property
    def n_frames(self) -> int:
        """Frames taken so far."""
        return self._sink.n_frames

    def write(self, block: Block) -> None:
        """Take the next frame."""
        self._sink.write(block)

    def finish(self) -> Path:
        """Smooth, verify, and give the file its name; return it."""
        return self._sink.finish((), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sink.abandon()


def _info(camera: str, picture: U8) -> VideoInfo:
    height, width, _ = picture.shape
    return VideoInfo(
        path=Path(camera),
        kind="video",
        width=width,
        height=height,
        time_base=Fraction(1, 1_000_000),
        rate=_NOMINAL_RATE,
        frame_count=None,
        duration_s=None,
        codec="",
        pixel_format="rgb24",
    )
