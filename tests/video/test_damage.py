"""Damaged files: every frame that can be decoded is yielded, and losses are logged."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import VideoError
from autrt.types import Loss, Source
from autrt.video.open import open_decoder
from tests.support.media import Clip, flipped, half, level, middle_of, scene

FASTSTART = {"movflags": "faststart"}


def decode(path: Path) -> tuple[list[float], list[Loss], str]:
    """Return times, losses and a digest of all frames."""
    decoder = open_decoder(Source(path, path.name, "video"))
    times, digest = [], hashlib.sha256()
    for frame in decoder:
        assert frame.index == len(times)
        times.append(frame.time_s)
        digest.update(frame.image.rgb().tobytes())
    decoder.close()
    assert all(a < b for a, b in pairwise(times))
    return times, list(decoder.lost), digest.hexdigest()


def refusal(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        open_decoder(Source(path, path.name, "video"))
    return str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of intact files of 100 frames."""
    folder = tmp_path_factory.mktemp("whole")
    many = {"frames": 100, "width": 192, "height": 128, "grain": 12}
    x265 = {"x265-params": "log-level=none:keyint=10"}
    Clip(**many, options={"g": "10"}).write(folder / "index_last.mp4")
    Clip(**many, options={"g": "10"}, muxer_options=FASTSTART, audio=True).write(folder / "index_first.mp4")
    Clip(**many, options={"g": "10"}, audio=True).write(folder / "h264.mkv")
    Clip("libx265", **many, options=x265).write(folder / "hevc.mkv")
    Clip("mpeg4", **many, options={"b": "1500k"}).write(folder / "mpeg4.avi")
    Clip("flv", **many, options={"b": "1500k"}).write(folder / "h263.flv")
    Clip("mpeg2video", **many, options={"g": "12", "bf": "2"}).write(folder / "mpeg2.ts")
    Clip(**many, options={"g": "10", "bf": "2"}).write(folder / "h264.ts")
    Clip("ffv1", **many, options={"slices": "4", "level": "3"}).write(folder / "ffv1.mkv")
    Clip("prores_ks", "yuv422p10le", **many).write(folder / "prores.mov")
    return folder


@pytest.mark.parametrize(
    "name", ["index_last.mp4", "h264.mkv", "hevc.mkv", "mpeg4.avi", "mpeg2.ts", "h264.ts", "prores.mov"]
)
def test_whole_files_lose_nothing(whole: Path, name: str) -> None:
    times, lost, _ = decode(whole / name)
    assert len(times) == 100
    assert lost == []


@pytest.mark.parametrize("name", ["index_last.mp4", "h264.ts"])
@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_cost_only_what_they_hit(whole: Path, tmp_path: Path, name: str, seed: int) -> None:
    path = flipped(whole / name, tmp_path / name, seed, count=8, where=(0.4, 0.6))
    decoder = open_decoder(Source(path, name, "video"))
    frames = {round(frame.time_s * 25): frame.image.rgb() for frame in decoder}
    assert len(frames) >= 85
    assert decoder.lost
    assert all(loss.reason and 0 <= loss.time_s <= 4 for loss in decoder.lost)
    # Before the damage, and after the key frame that follows it, pictures are as they were.
    for i in [*range(30), *range(75, 100)]:
        assert middle_of(frames[i]) == pytest.approx(level(i), abs=7)


@pytest.mark.parametrize(
    "name", ["index_last.mp4", "h264.mkv", "hevc.mkv", "mpeg2.ts", "ffv1.mkv", "prores.mov"]
)
def test_damage_decodes_the_same_every_time(whole: Path, tmp_path: Path, name: str) -> None:
    path = flipped(whole / name, tmp_path / name, 5)
    assert decode(path) == decode(path)


def test_half_mp4_with_its_index(whole: Path, tmp_path: Path) -> None:
    times, lost, _ = decode(half(whole / "index_first.mp4", tmp_path / "half.mp4"))
    assert 30 <= len(times) <= 70
    assert any("ended early" in loss.reason and "of the 4.0 s" in loss.reason for loss in lost)


def test_half_mp4_without_its_index(whole: Path, tmp_path: Path) -> None:
    assert "moov" in refusal(half(whole / "index_last.mp4", tmp_path / "half.mp4"))


@pytest.mark.parametrize("name", ["h264.mkv", "hevc.mkv", "h263.flv", "mpeg4.avi"])
def test_half_files_that_state_their_length(whole: Path, tmp_path: Path, name: str) -> None:
    times, lost, _ = decode(half(whole / name, tmp_path / name))
    assert 20 <= len(times) <= 75
    assert any("ended early" in loss.reason for loss in lost)


@pytest.mark.parametrize("name", ["mpeg2.ts", "h264.ts"])
def test_half_files_that_state_no_length(whole: Path, tmp_path: Path, name: str) -> None:
    times, _, _ = decode(half(whole / name, tmp_path / name))
    assert 20 <= len(times) <= 75


def test_hole_in_mid_file_is_a_loss(whole: Path, tmp_path: Path) -> None:
    data = bytearray((whole / "h264.mkv").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    (tmp_path / "hole.mkv").write_bytes(data)
    times, lost, _ = decode(tmp_path / "hole.mkv")
    assert len(times) >= 40
    assert lost


def test_recording_from_mid_stream_logs_its_first_damage(whole: Path, tmp_path: Path) -> None:
    data = (whole / "h264.ts").read_bytes()
    packets = [data[i : i + 188] for i in range(0, len(data), 188)]
    (tmp_path / "late.ts").write_bytes(b"".join(packets[:3] + packets[len(packets) // 3 :]))
    times, lost, _ = decode(tmp_path / "late.ts")
    assert 40 <= len(times) < 80
    assert min(loss.time_s for loss in lost) <= times[0] + 0.2


def test_damaged_frames_are_yielded_and_logged(whole: Path, tmp_path: Path) -> None:
    counts = []
    for seed in range(4):
        times, lost, _ = decode(flipped(whole / "index_last.mp4", tmp_path / "bad.mp4", seed))
        refused = sum(loss.packets for loss in lost if "cannot be decoded" in loss.reason)
        counts.append((len(times) + refused, sum("in spite of damage" in loss.reason for loss in lost)))
    assert all(total == 100 for total, _ in counts)
    assert any(damaged for _, damaged in counts)


def test_losses_grow_while_decoding_and_stay(whole: Path, tmp_path: Path) -> None:
    path = flipped(whole / "index_last.mp4", tmp_path / "bad.mp4", 1)
    decoder = open_decoder(Source(path, path.name, "video"))
    counts = [len(decoder.lost) for _ in decoder]
    assert counts == sorted(counts)
    assert counts[0] == 0
    before = list(decoder.lost)
    decoder.close()
    assert list(decoder.lost) == before


@pytest.mark.parametrize("name", ["index_first.mp4", "h264.mkv", "mpeg4.avi", "h263.flv", "mpeg2.ts"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_arbitrary_damage_raises_only_video_errors(whole: Path, name: str, data: st.DataObject) -> None:
    bad = bytearray((whole / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(bad) - 1))
        what = data.draw(st.binary(min_size=1, max_size=30))
        if data.draw(st.booleans()):
            bad[at : at + len(what)] = what
        else:
            del bad[at : at + data.draw(st.integers(1, 2000))]
    path = whole / f"fuzzed-{name}"
    path.write_bytes(bad)
    try:
        times, _, _ = decode(path)
    except VideoError:
        return
    assert times


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refusal(tmp_path / "empty.mp4")


@pytest.mark.parametrize("text", ["Hello, this is no video.\n", "naïve café ☕\n" * 2000, "a,b\n1,2\n"])
def test_text_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "text.mp4").write_text(text)
    assert "text" in refusal(tmp_path / "text.mp4")


def test_file_of_zeros_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zeros.mp4").write_bytes(bytes(100_000))
    assert "zeros" in refusal(tmp_path / "zeros.mp4")


def test_file_of_noise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(100_000))
    assert "not a video" in refusal(tmp_path / "noise.mkv")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nothing.mp4")


def test_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("gone.mp4")
    assert "gone.mp4" in refusal(tmp_path / "link.mp4")


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    assert "cannot be read" in refusal(tmp_path / "loop.mp4")


def test_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    assert "folder" in refusal(tmp_path / "folder.mp4")


def test_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "pipe" in refusal(tmp_path / "pipe.mp4")


def test_file_without_a_decodable_frame_is_refused(whole: Path, tmp_path: Path) -> None:
    data = bytearray((whole / "index_last.mp4").read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = b"\xa5" * (end - start)
    (tmp_path / "hollow.mp4").write_bytes(data)
    reason = refusal(tmp_path / "hollow.mp4")
    assert "not one frame" in reason
    assert "h264" in reason


def test_generated_scene_shows_its_grey_level() -> None:
    assert middle_of(scene(3)) == level(3)
