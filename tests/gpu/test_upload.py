"""Frames of PyAV in torch's memory: the same pictures, a stretch at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autrt.gpu.image import TensorImage
from autrt.gpu.stretch import LONGEST, stretch_frames
from autrt.gpu.transfer import transfers
from autrt.gpu.upload import uploaded
from autrt.video.pyav import PyavDecoder
from tests.support.media import Clip

SIZES = {"width": 161, "height": 121, "frames": LONGEST + 6, "grain": 12}


@pytest.mark.parametrize("format_", ["yuv420p", "yuv422p", "yuv420p10le", "gray", "bgr0"])
def test_pictures_are_pyavs_a_stretch_at_a_time(format_: str, tmp_path: Path) -> None:
    path = Clip("ffv1", format_, **SIZES).write(tmp_path / "clip.mkv")
    before = transfers()
    frames, wanted = list(uploaded(PyavDecoder(path), "cpu")), list(PyavDecoder(path))
    planes = 3 if format_.startswith("yuv") else 1
    assert (transfers() - before).to_device == 2 * planes
    assert [(f.index, f.pts, f.time_s) for f in frames] == [(f.index, f.pts, f.time_s) for f in wanted]
    for frame, other in zip(frames[:: LONGEST + 5], wanted[:: LONGEST + 5], strict=True):
        assert isinstance(frame.image, TensorImage)
        error = np.abs(frame.image.rgb().astype(int) - other.image.rgb())
        assert error.max() <= 3  # OpenCV rounds chroma before its colour
        assert np.abs(frame.image.resized(64, 48).astype(int) - other.image.resized(64, 48)).max() <= 3


def test_what_has_no_planes_of_its_own_stays_on_the_host(tmp_path: Path) -> None:
    path = Clip(rotation=(-90,)).write(tmp_path / "turned.mp4")
    frames = list(uploaded(PyavDecoder(path), "cpu"))
    assert frames
    assert not any(isinstance(frame.image, TensorImage) for frame in frames)


def test_stretches_are_shorter_for_large_frames() -> None:
    sizes = [(640, 360), (1280, 720), (1920, 1080), (3840, 2160), (30000, 20000)]
    assert [stretch_frames(*size) for size in sizes] == [64, 64, 32, 8, 1]
