"""A check that writes a small results file into a temporary folder and reads it back."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np

from autrt import __version__
from autrt.errors import ResultsError
from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.results.reader import open_results
from autrt.results.verification.verify import verify
from autrt.results.writer import ResultsWriter, utc_now
from autrt.types import F32, Block, Faces

_AUS = "AU1", "AU12"


def check_writing() -> str:
    """Write a results file of two frames with a face each, verify it, and return a line about it.

    Raises:
        AutrtError: it cannot be written, does not verify, or reads back as something else.
    """
    logit = np.array([[-1.5, 0.25], [2.0, -0.5]], np.float32)
    with tempfile.TemporaryDirectory(prefix="autrt-check-") as folder:
        path = _write(Path(folder) / "check.mp4.h5", logit)
        if problems := verify(path):
            raise ResultsError(f"a results file does not verify: {problems[0]}")
        with open_results(path) as results:
            found = results.faces["logit"]
        if not np.array_equal(found, logit):
            raise ResultsError(f"logits written as {logit.tolist()} read back as {found.tolist()}")
    return f"a results file was written, verified and read by h5py {h5py.__version__}"


def _write(path: Path, logit: F32) -> Path:
    probability = (1 / (1 + np.exp(-logit))).astype(np.float32)
    faces = Faces(
        row=np.arange(2),
        boxes=np.full((2, 4), [8, 8, 40, 40], np.float32),
        landmarks=np.full((2, 5, 2), 24, np.float32),
        score=np.full(2, 0.9, np.float32),
        track=np.zeros(2, np.int32),
        source=np.zeros(2, np.uint8),
    )
    block = Block(
        index=np.arange(2),
        pts=np.array([0, 40]),
        time_s=np.array([0.0, 0.04]),
        damaged=np.zeros(2, np.bool_),
        faces=faces,
        outputs={"logits": logit[:, None]},
    )
    with ResultsWriter(path, _header()) as writer:
        writer.write(block, logit, probability, probability, probability >= np.float32(0.5))
        return writer.finish()


def _header() -> Header:
    video = VideoFacts(
        width_px=64, height_px=48, rate_hz=25.0, frame_count=2, duration_s=0.08, codec="h264",
        pixel_format="yuv420p",
    )  # fmt: skip
    return Header(
        source=SourceFacts(path="check.mp4", kind="video", size_bytes=1, mtime_ns=1, fingerprint="0" * 64),
        video=video,
        time_base=Fraction(1, 1000),
        au_names=_AUS,
        thresholds=(0.5, 0.5),
        smoothing_windows=(1, 1),
        smoothing_domain="logit",
        baseline="none",
        model_name="check",
        model_digest="0" * 64,
        member_names=("check",),
        network_digests=("0" * 64,),
        settings={},
        engine="none",
        precision="f32",
        device="cpu",
        detector_digest="0" * 64,
        detect_every=1,
        versions={"autrt": __version__},
        command="autrt doctor",
        started_utc=utc_now(),
    )
