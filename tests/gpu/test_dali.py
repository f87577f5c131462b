"""DALI as a decoder, on the CPU: what it gives is PyAV's, and where it fails PyAV goes on."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from autrt.engine.devices import devices_of
from autrt.engine.gpu import find_gpus
from autrt.errors import UsageError, VideoError
from autrt.gpu import dali
from autrt.gpu.dali import DaliDecoder
from autrt.gpu.sequences import Sequences, first_patience_s
from autrt.types import Source
from autrt.video.brightest_pixel import brightest
from autrt.video.decoded_sample import MisdecodedError
from autrt.video.open import open_decoder
from autrt.video.pyav import PyavDecoder
from tests.support.media import Clip, flipped, half, write_audio, write_video

VP9 = {"deadline": "realtime", "cpu-used": "8", "b": "600k", "lag-in-frames": "0"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sound files of 43 frames."""
    folder = tmp_path_factory.mktemp("whole")
    many = {"frames": 43, "width": 192, "height": 128, "grain": 12}
    Clip("mjpeg", "yuvj420p", **many).write(folder / "mjpeg.avi")
    Clip("libvpx-vp9", **many, options=VP9).write(folder / "vp9.webm")
    full = {"colorspace": 1, "color_range": 2}
    Clip("libvpx-vp9", **many, options=VP9, colour=full).write(folder / "full_bt709.webm")
    late = [400 + 40 * i for i in range(43)]
    Clip("libvpx-vp9", **many, options=VP9, time_base=Fraction(1, 1000), stamps=late, audio=True).write(
        folder / "late.mkv"
    )
    return folder


def told(decoder) -> list[tuple[int, int, float]]:
    return [(frame.index, frame.pts, frame.time_s) for frame in decoder]


def assert_as_pyav(path: Path, decoder: DaliDecoder) -> None:
    other = PyavDecoder(path)
    assert told(decoder) == told(other)
    assert decoder.info == other.info
    assert list(decoder.lost) == list(other.lost)
    assert decoder.repaired_times == other.repaired_times


@pytest.mark.parametrize(
    ("name", "frames"),
    [("mjpeg.avi", 1), ("mjpeg.avi", 43), ("vp9.webm", 64), ("full_bt709.webm", 8), ("late.mkv", 7)],
)
def test_any_sequence_length_gives_every_frame(whole: Path, name: str, frames: int) -> None:
    decoder = DaliDecoder(whole / name, frames=frames)
    assert_as_pyav(whole / name, decoder)
    assert decoder.fallback is None


@pytest.mark.parametrize("name", ["mjpeg.avi", "vp9.webm", "full_bt709.webm"])
def test_colours_are_pyavs_but_at_edges_of_colour(whole: Path, name: str) -> None:
    for a, b in zip(DaliDecoder(whole / name), PyavDecoder(whole / name), strict=True):
        error = np.abs(a.image.rgb().astype(int) - b.image.rgb())
        assert error.mean() < 1.5
        assert np.percentile(error, 90) <= 3


def _cut(path: Path, to: Path) -> Path:
    return half(path, to)


def _flipped(path: Path, to: Path) -> Path:
    return flipped(path, to, seed=1, where=(0.6, 0.9))


@pytest.mark.parametrize("damage", [_cut, _flipped])
@pytest.mark.parametrize("name", ["mjpeg.avi", "vp9.webm"])
def test_damaged_files_give_what_pyav_gives(whole: Path, tmp_path: Path, name: str, damage) -> None:
    path = damage(whole / name, tmp_path / name)
    decoder = DaliDecoder(path)
    assert_as_pyav(path, decoder)
    assert bool(decoder.fallback) == bool(decoder.lost)


def test_what_dali_cannot_decode_is_pyavs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Clip(options={"bf": "2"}).write(tmp_path / "h264.mp4")
    decoder = DaliDecoder(path)
    assert_as_pyav(path, decoder)
    assert "h264" in (decoder.fallback or "")
    assert "decoded on the CPU" in caplog.text


def test_an_answer_that_does_not_come_is_not_waited_for(whole: Path) -> None:
    decoder = DaliDecoder(whole / "vp9.webm", patience_s=0.0)
    assert_as_pyav(whole / "vp9.webm", decoder)
    assert "did not answer" in (decoder.fallback or "")


def test_black_is_believed_where_it_is_true(tmp_path: Path) -> None:
    white = np.full((64, 96, 3), 235, np.uint8)
    pictures = [white] * 5 + [np.zeros_like(white)] * 12 + [white] * 5
    write_video(tmp_path / "fade.webm", pictures, Clip("libvpx-vp9", options=VP9))
    decoder = DaliDecoder(tmp_path / "fade.webm")
    stamps = [frame.pts for frame in decoder]
    assert decoder.fallback is None
    seen = [brightest(tmp_path / "fade.webm", stamp) for stamp in (stamps[0], stamps[9], stamps[21])]
    assert seen[0] > 200 > 8 >= seen[1]
    assert seen[2] > 200
    assert brightest(tmp_path / "fade.webm", stamps[21] + 7) == 255  # no such picture


class Changed:
    """DALI's sequences with their pictures changed."""

    def __init__(self, change, *arguments) -> None:
        self._sequences, self._change, self._last = Sequences(*arguments), change, None
        self.close = self._sequences.close

    def next(self):
        sequence = self._sequences.next()
        if sequence is None:
            return None
        pixels, numbers, time_s = sequence
        before = pixels[:1] if self._last is None else self._last
        self._last = pixels[-1:]
        return self._change(pixels, before), numbers, time_s


def _one_late(pixels, before):
    return torch.cat([before, pixels[:-1]])


def _of_no_picture(pixels, before):
    return pixels.roll(40, dims=2)


@pytest.mark.parametrize("change", [_one_late, _of_no_picture])
def test_wrong_pictures_are_not_trusted(whole: Path, monkeypatch: pytest.MonkeyPatch, change) -> None:
    monkeypatch.setattr(dali, "Sequences", partial(Changed, change))
    decoder = DaliDecoder(whole / "mjpeg.avi")
    assert_as_pyav(whole / "mjpeg.avi", decoder)
    assert "wrong pictures" in (decoder.fallback or "")
    decoder = DaliDecoder(whole / "mjpeg.avi", frames=1)
    if change is _one_late:  # the first frame is the right one, and was handed out
        with pytest.raises(MisdecodedError, match=r"frame [0-9]+ "):
            list(decoder)


def test_damage_in_a_sample_leaves_the_file_to_pyav(whole: Path, tmp_path: Path) -> None:
    """For the scan all packets are there; only decoding finds the damage."""
    path = flipped(whole / "mjpeg.avi", tmp_path / "mjpeg.avi", seed=1, where=(0.6, 0.9))
    decoder = DaliDecoder(path)
    assert_as_pyav(path, decoder)
    assert decoder.lost
    assert "sample of it cannot be decoded" in (decoder.fallback or "")


def test_a_large_file_may_take_longer_before_the_first_answer() -> None:
    assert first_patience_s(1_000_000, 60) < 61
    assert first_patience_s(20_000_000_000, 60) > 3600
    assert first_patience_s(20_000_000_000, 0) == 0


def test_a_file_without_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no video stream"):
        DaliDecoder(write_audio(tmp_path / "sound.mp4"))
    with pytest.raises(VideoError, match="no such file"):
        DaliDecoder(tmp_path / "none.mp4")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match=f"{device}"):
        devices_of(device)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "clip",
    [
        Clip(options={"bf": "2"}),
        Clip("libx265", options={"x265-params": "log-level=none:bframes=2"}),
        Clip("libvpx-vp9", options=VP9),
        Clip("libvpx-vp9", options=VP9, colour={"colorspace": 1, "color_range": 2}),
        Clip("mpeg4", options={"bf": "2", "b": "2M"}),
        Clip(rotation=(-90,)),
    ],
    ids=["h264", "hevc", "vp9", "vp9_full_bt709", "mpeg4", "rotated"],
)
def test_nvdec_gives_pyavs_frames(clip: Clip, tmp_path: Path) -> None:
    clip.width, clip.height, clip.frames = 256, 192, 43
    path = clip.write(tmp_path / "clip.mkv" if clip.rotation is None else tmp_path / "clip.mp4")
    decoder, other = DaliDecoder(path, "cuda:0"), PyavDecoder(path)
    for a, b in zip(decoder, other, strict=True):
        assert (a.index, a.pts, a.time_s) == (b.index, b.pts, b.time_s)
        assert a.image.pictures.device.type == "cuda"
        error = np.abs(a.image.rgb().astype(int) - b.image.rgb())
        assert np.percentile(error, 90) <= 4
    assert decoder.fallback is None


def test_a_gpu_that_does_not_work_leaves_it_to_pyav(whole: Path) -> None:
    if find_gpus():
        pytest.skip("there is a GPU")
    path = whole / "vp9.webm"
    decoder = open_decoder(Source(path, path.name, "video"), device="cuda:0")
    assert isinstance(decoder, DaliDecoder)
    assert_as_pyav(path, decoder)
    assert "DALI failed" in (decoder.fallback or "")
