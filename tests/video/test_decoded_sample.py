"""The sample of a file's frames with which another decoder's are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autrt.video.decoded_sample import FRAMES, STRETCHES, DecodedSample, decode_sample
from autrt.video.packet_scan import IrregularFileError, scan
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.pyav import PyavDecoder
from tests.support.media import Clip, scene

SHORT_GOPS = "keyint=6:min-keyint=6:bframes=2"
HEVC = f"log-level=none:{SHORT_GOPS}:open-gop=1"
SIZE = {"width": 192, "height": 160}


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("closed.mp4", Clip(options={"x264-params": SHORT_GOPS}, frames=60, **SIZE)),
        ("open.mkv", Clip(options={"x264-params": f"{SHORT_GOPS}:open-gop=1"}, frames=60, **SIZE)),
        ("hevc.mkv", Clip("libx265", options={"x265-params": HEVC}, frames=60, **SIZE)),
        ("stream.ts", Clip(options={"x264-params": SHORT_GOPS}, frames=60, muxer="mpegts", **SIZE)),
    ],
)
def test_thumbnails_are_those_of_the_frames(name: str, clip: Clip, tmp_path: Path) -> None:
    path = clip.write(tmp_path / name)
    sample = decode_sample(path, scan(path))
    assert {0, 30, 59} <= sample.thumbnails.keys()
    assert len(sample.thumbnails) <= STRETCHES * FRAMES
    for frame in PyavDecoder(path):
        assert sample.problem(frame.index, frame.image) is None


def test_the_same_frames_are_chosen_each_time(tmp_path: Path) -> None:
    path = Clip(options={"x264-params": "keyint=1"}, frames=400).write(tmp_path / "a.mp4")
    first, second = (decode_sample(path, scan(path)) for _ in range(2))
    assert first.thumbnails.keys() == second.thumbnails.keys()
    assert len(first.thumbnails) < 400


def test_damage_is_found(tmp_path: Path) -> None:
    path = Clip(options={"x264-params": SHORT_GOPS}, frames=60, grain=20, **SIZE).write(tmp_path / "a.mp4")
    facts = scan(path)
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 5, len(data) * 3 // 5, 400):
        data[at] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(IrregularFileError, match=r"damage|cannot be decoded"):
        decode_sample(path, facts)


def test_another_picture_or_the_next_one_is_a_problem() -> None:
    images = [PlanarImage((Plane(scene(i, 192, 160)),), None) for i in range(3)]
    sample = DecodedSample({i: image.thumbnail(32, 18) for i, image in enumerate(images)})
    assert [sample.problem(i, image) for i, image in enumerate(images)] == [None] * 3
    assert "frame 1 shows frame 2" in (sample.problem(1, images[2]) or "")
    other = PlanarImage((Plane(np.full((160, 192, 3), 90, np.uint8)),), None)
    assert "grey levels off" in (sample.problem(1, other) or "")
    assert sample.problem(7, other) is None
