"""Absurd numbers in a container's head: they cost a sound video neither a frame nor its result."""

from __future__ import annotations

import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from autrt.results.header import VideoFacts
from autrt.types import Source, VideoInfo
from autrt.video.open import open_decoder
from autrt.video.probe import length_of, stated_length_s
from tests.support.containers import with_box_field
from tests.support.media import Clip

WORDS = [0, 1, 2**32 - 1]
MP4_FIELDS = {
    "time of creation": (b"mvhd", 4),
    "ticks a second of the film": (b"mvhd", 12),
    "duration of the film": (b"mvhd", 16),
    "duration of the track": (b"tkhd", 20),
    "width of the track": (b"tkhd", 76),
    "ticks a second of the stream": (b"mdhd", 12),
    "duration of the stream": (b"mdhd", 16),
    "duration of the edit": (b"elst", 8),
    "rate of the edit": (b"elst", 16),
}
AVI_FIELDS = {
    "microseconds a frame": ("avih", 0),
    "frames of the file": ("avih", 16),
    "scale": ("strh", 20),
    "rate": ("strh", 24),
    "start": ("strh", 28),
    "size of a sample": ("strh", 44),
}
DOUBLES = [-1.0, 2e9, 1e300, float("nan")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sound")
    clips = {"mp4": Clip(), "avi": Clip("mpeg4"), "mkv": Clip(), "flv": Clip("flv")}
    return {suffix: clip.write(folder / f"x.{suffix}") for suffix, clip in clips.items()}


def assert_sound(path: Path) -> VideoInfo:
    decoder = open_decoder(Source(path, path.name, "video"))
    times = [frame.time_s for frame in decoder]
    decoder.close()
    assert len(times) == 24
    assert (np.diff(times) > 0).all()
    assert not decoder.lost
    facts = asdict(VideoFacts.of(decoder.info))
    assert all(np.isfinite(fact) for fact in facts.values() if isinstance(fact, float))
    assert 0 < decoder.info.rate <= 1000
    for length_s in (length_of(decoder.info), stated_length_s(Source(path, path.name, "video"))):
        assert length_s is None or 0 < length_s < 1e7
    return decoder.info


@pytest.mark.parametrize("value", WORDS)
@pytest.mark.parametrize("field", MP4_FIELDS)
def test_absurd_word_in_mp4(field: str, value: int, sound: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(sound["mp4"].read_bytes())
    assert_sound(with_box_field(path, *MP4_FIELDS[field], value.to_bytes(4)))


@pytest.mark.parametrize("value", WORDS)
def test_absurd_matrix_in_mp4(value: int, sound: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(sound["mp4"].read_bytes())
    assert assert_sound(with_box_field(path, b"tkhd", 40, 9 * value.to_bytes(4))).rotation_deg == 0


@pytest.mark.parametrize("value", [1, 2**31 - 1])
def test_absurd_durations_of_frames_in_mp4(value: int, sound: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(sound["mp4"].read_bytes())
    info = assert_sound(with_box_field(path, b"stts", 12, value.to_bytes(4)))
    assert (info.times_from, info.rate) == ("rate", 25)


@pytest.mark.parametrize("value", WORDS)
@pytest.mark.parametrize("field", AVI_FIELDS)
def test_absurd_word_in_avi(field: str, value: int, sound: dict[str, Path], tmp_path: Path) -> None:
    name, offset = AVI_FIELDS[field]
    data = bytearray(sound["avi"].read_bytes())
    at = data.index(name.encode()) + 8 + offset
    data[at : at + 4] = value.to_bytes(4, "little")
    (tmp_path / "x.avi").write_bytes(data)
    assert_sound(tmp_path / "x.avi")


@pytest.mark.parametrize("value", [*DOUBLES, 60_000.0])
def test_absurd_duration_in_matroska(value: float, sound: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(sound["mkv"].read_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", value)
    (tmp_path / "x.mkv").write_bytes(data)
    assert_sound(tmp_path / "x.mkv")


@pytest.mark.parametrize("frames", [0, 1, 10_000, *WORDS])
def test_absurd_length_in_avi(frames: int, sound: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(sound["avi"].read_bytes())
    at = data.index(b"strh") + 8 + 32
    data[at : at + 4] = frames.to_bytes(4, "little")
    (tmp_path / "x.avi").write_bytes(data)
    assert_sound(tmp_path / "x.avi")


@pytest.mark.parametrize("name", ["mkv", "avi"])
@pytest.mark.parametrize("share", [0.4, 0.6])
def test_what_was_cut_off_or_zeroed_is_still_told(
    name: str, share: float, sound: dict[str, Path], tmp_path: Path
) -> None:
    long = Clip("mpeg4", frames=200, options={"g": "10"}).write(tmp_path / f"long.{name}")
    data = long.read_bytes()
    kept = data[: int(len(data) * share)]
    for damaged in (kept, kept + bytes(len(data) - len(kept))):
        (tmp_path / f"x.{name}").write_bytes(damaged)
        decoder = open_decoder(Source(tmp_path / f"x.{name}", "x", "video"))
        assert 0 < sum(1 for _ in decoder) < 200
        assert any("ended early" in loss.reason for loss in decoder.lost)


@pytest.mark.parametrize("value", DOUBLES)
@pytest.mark.parametrize("key", [b"duration", b"framerate", b"filesize"])
def test_absurd_number_in_flv(key: bytes, value: float, sound: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(sound["flv"].read_bytes())
    at = data.index(key) + len(key) + 1
    data[at : at + 8] = struct.pack(">d", value)
    (tmp_path / "x.flv").write_bytes(data)
    assert_sound(tmp_path / "x.flv")
