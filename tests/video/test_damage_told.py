"""Of a damaged file, either every picture is as it was, or the losses say something; pictures are marked."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from autrt.errors import VideoError
from autrt.types import Loss, Source
from autrt.video.open import open_decoder
from autrt.video.pictures import load_file
from autrt.video.pyav_compat import LOG_IS_CHEAP
from tests.support.damage import Damage, cut_off, damaged, flip_bits, lose_ts_packets, zero_stretch
from tests.support.media import Clip, scene, write_picture

needs_log = pytest.mark.skipif(
    not LOG_IS_CHEAP, reason="this release of PyAV has a log that is too slow to use"
)

X265 = {"x265-params": "log-level=none:keyint=15:bframes=0"}
QUICK = {"deadline": "realtime", "cpu-used": "8", "b": "600k", "g": "15"}
MUCH = {"b": "1M"}
FIRST = {"movflags": "faststart"}

SHORT = {
    "h264.ts": Clip(options={"g": "15", "bf": "2"}),
    "hevc.ts": Clip("libx265", options=X265),
    "mpeg2.ts": Clip("mpeg2video", options={"b": "1M", "bf": "2"}),
    "h264.mp4": Clip(options={"g": "15"}, muxer_options=FIRST),
    "mpeg4.avi": Clip("mpeg4", options=MUCH),
    "ffv1.mkv": Clip("ffv1", options={"level": "3", "slices": "4", "slicecrc": "1"}),
    "vp8.ogv": Clip("libvpx", options=QUICK, muxer="ogg"),
}
"""Clips of the quick tests."""

WIDE = SHORT | {
    "h264.mkv": Clip(options={"g": "15", "bf": "2"}),
    "h264.flv": Clip(options={"g": "15"}),
    "h264.avi": Clip(options={"g": "15", "bf": "0"}),
    "hevc.mp4": Clip("libx265", options=X265, muxer_options=FIRST),
    "mpeg1.mpg": Clip("mpeg1video", options=MUCH),
    "mpeg2.mpg": Clip("mpeg2video", options={"b": "1M", "bf": "2"}),
    "mpeg4.ts": Clip("mpeg4", options={"b": "1M", "bf": "2"}),
    "mpeg4.mp4": Clip("mpeg4", options={"b": "1M", "bf": "2"}, muxer_options=FIRST),
    "msmpeg4.avi": Clip("msmpeg4", options=MUCH),
    "wmv2.wmv": Clip("wmv2", options=MUCH, muxer="asf"),
    "flv1.flv": Clip("flv", options=MUCH),
    "h263.3gp": Clip("h263", width=176, height=144, options=MUCH, muxer_options=FIRST),
    "vp8.webm": Clip("libvpx", options=QUICK),
    "vp9.webm": Clip("libvpx-vp9", options=QUICK),
    "av1.mkv": Clip("libsvtav1", options={"preset": "12", "g": "15"}),
    "mjpeg.avi": Clip("mjpeg", "yuvj420p"),
    "mjpeg.mov": Clip("mjpeg", "yuvj420p", muxer_options=FIRST),
    "prores.mov": Clip("prores_ks", "yuv422p10le", muxer_options=FIRST),
    "png.mov": Clip("png", "rgb24", muxer_options=FIRST),
    "apng.apng": Clip("apng", "rgb24"),
    "gif.gif": Clip("gif", "rgb8"),
    "huffyuv.avi": Clip("huffyuv", "yuv422p"),
    "utvideo.avi": Clip("utvideo"),
    "qtrle.mov": Clip("qtrle", "rgb24", muxer_options=FIRST),
    "svq1.mov": Clip("svq1", "yuv410p", muxer_options=FIRST),
    "rv20.rm": Clip("rv20", width=176, height=144, options=MUCH),
    "zmbv.avi": Clip("zmbv", "bgr0"),
    "dv.avi": Clip("dvvideo", width=720, height=576, frames=8),
    "h264.nut": Clip(options={"g": "15"}),
    "mpeg2.mxf": Clip("mpeg2video", width=720, height=576, frames=12, options={"b": "5M"}),
}

KINDS: dict[str, Damage] = {
    "lost": lose_ts_packets,
    "flipped": flip_bits,
    "cut": cut_off,
    "zeroed": zero_stretch,
}

CHECKED = ("apng.apng", "ffv1.mkv", "png.mov", "vp8.ogv")
"""Checksums over every picture, or over every page of the file."""

NO_LENGTH = (".ts", ".ogv", ".gif", ".wmv")
"""Formats without a stated length (or, in WMV, a rough one): that their end is missing need not show."""

PLAIN = ("vp9.webm", "qtrle.mov", "dv.avi", "huffyuv.avi", "utvideo.avi", "gif.gif", ".wmv")
"""Codecs that decode most bytes to some picture."""


def promised(name: str, kind: str) -> bool:
    """Return whether damage of a kind must be told, if it changes a picture."""
    if kind == "flipped":
        return name in CHECKED
    return not name.endswith(NO_LENGTH if kind == "cut" else PLAIN) or kind == "lost"


class Decoded(NamedTuple):
    times_s: list[float]
    pixels: list[bytes]
    marks: list[bool]
    lost: list[Loss]

    def same_pictures(self, other: Decoded) -> bool:
        return (self.times_s, self.pixels) == (other.times_s, other.pixels)


def decode(path: Path, kind: str = "video") -> Decoded:
    decoder = open_decoder(Source(path, path.name, kind))  # pyright: ignore[reportArgumentType]
    frames = [(frame.time_s, frame.image.rgb().tobytes(), frame.damaged) for frame in decoder]
    decoder.close()
    times_s, pixels, marks = zip(*frames, strict=True)
    return Decoded(list(times_s), list(pixels), list(marks), list(decoder.lost))


def written(clips: dict[str, Clip], folder: Path) -> Path:
    for name, clip in clips.items():
        clip.grain = 12
        clip.frames = min(clip.frames, 30) if clip.frames != 24 else 30
        clip.write(folder / name)
    return folder


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(SHORT, tmp_path_factory.mktemp("short"))


def assert_told(path: Path, bad: Path, promise: bool) -> None:
    """Check a damaged copy against the sound file."""
    sound = decode(path)
    try:
        found = decode(bad)
    except VideoError:
        return
    assert bool(found.lost) >= any(found.marks)
    if promise and not found.lost:
        assert found.same_pictures(sound)


@needs_log
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SHORT)
def test_damage_is_told(short: Path, tmp_path: Path, name: str, kind: str) -> None:
    if (kind == "lost") != name.endswith(".ts") or not promised(name, kind):
        pytest.skip("cannot happen, or cannot be seen")
    for seed in range(2):
        bad = damaged(short / name, tmp_path / name, KINDS[kind], seed)
        assert_told(short / name, bad, promise=True)


@needs_log
@pytest.mark.slow
@pytest.mark.parametrize("name", WIDE)
def test_damage_of_every_codec_is_told(tmp_path: Path, name: str) -> None:
    path = written({name: WIDE[name]}, tmp_path) / name
    sound = decode(path)
    assert sound.lost == []
    assert not any(sound.marks)
    for kind in ("lost", "flipped", "cut", "zeroed"):
        if kind != "lost" or name.endswith(".ts"):
            for seed in range(8):
                bad = damaged(path, tmp_path / f"bad-{name}", KINDS[kind], seed)
                assert_told(path, bad, promised(name, kind))


def test_hevc_keeps_pictures_after_a_lost_one(short: Path, tmp_path: Path) -> None:
    sound = decode(short / "hevc.ts")
    assert sound.lost == []
    found = decode(_without_a_picture(short / "hevc.ts", tmp_path / "bad.ts", 5))
    assert len(found.times_s) >= 28
    pixels = dict(zip(sound.times_s, sound.pixels, strict=True))
    marks = dict(zip(found.times_s, found.marks, strict=True))
    wrong = {t for t, p in zip(found.times_s, found.pixels, strict=True) if pixels[t] != p}
    assert wrong
    assert wrong <= {time_s for time_s, mark in marks.items() if mark} <= set(sound.times_s[3:15])
    assert any("in spite of damage" in loss.reason for loss in found.lost)


def _without_a_picture(path: Path, to: Path, number: int) -> Path:
    """Write a transport stream without the packets of one of its pictures."""
    data = path.read_bytes()
    packets = [data[i : i + 188] for i in range(0, len(data), 188)]
    of_video = [i for i, p in enumerate(packets) if (p[1] & 0x1F, p[2]) == (1, 0)]
    starts = [i for i in of_video if packets[i][1] & 0x40]
    gone = {i for i in of_video if starts[number] <= i < starts[number + 1]}
    to.write_bytes(b"".join(p for i, p in enumerate(packets) if i not in gone))
    return to


@pytest.mark.parametrize("name", ["h264.ts", "hevc.ts", "mpeg2.ts"])
def test_recordings_one_after_the_other_are_sound(short: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes((short / name).read_bytes() * 2)
    found = decode(tmp_path / name)
    assert not any(found.marks)
    assert not any("damage" in loss.reason for loss in found.lost)


def test_recordings_whose_counter_seems_to_repeat_at_the_joint_are_sound(tmp_path: Path) -> None:
    """The first one's last packet has the number with which the next one begins, as a packet sent twice has."""
    for frames in range(8, 80):
        data = Clip("mpeg2video", frames=frames).write(tmp_path / "a.ts").read_bytes()
        packets = [data[i : i + 188] for i in range(0, len(data), 188)]
        if [p[3] & 0x0F for p in packets if (p[1] & 0x1F, p[2]) == (1, 0)][-1] == 0:
            (tmp_path / "b.ts").write_bytes(data * 2)
            found = decode(tmp_path / "b.ts")
            assert not any(found.marks)
            assert not any("damage" in loss.reason for loss in found.lost)
            return
    pytest.fail("no clip ends so")


def test_pictures_before_the_first_key_frame_are_marked(short: Path, tmp_path: Path) -> None:
    data = (short / "h264.ts").read_bytes()
    packets = [data[i : i + 188] for i in range(0, len(data), 188)]
    (tmp_path / "late.ts").write_bytes(b"".join(packets[:3] + packets[len(packets) // 3 :]))
    found = decode(tmp_path / "late.ts")
    assert found.marks[0]
    assert not found.marks[-1]


def test_avi_with_vanished_frames_says_so(tmp_path: Path) -> None:
    path = Clip("rawvideo", frames=30).write(tmp_path / "raw.avi")
    data = bytearray(path.read_bytes())
    size = 96 * 64 * 3 // 2 + 8
    start = data.index(b"00dc", data.index(b"movi")) + 10 * size
    data[start : start + 3 * size] = bytes(3 * size)
    path.write_bytes(data)
    found = decode(path)
    assert len(found.times_s) == 27
    assert [(loss.packets, loss.reason) for loss in found.lost] == [
        (3, "3 of the 30 frames that the file states are not in it")
    ]


def jpeg(path: Path, damage: str) -> Path:
    """Write a JPEG with some damage."""
    noise = np.random.default_rng(0).integers(-20, 20, (64, 96, 3))
    write_picture(path, np.clip(scene(0) + noise, 0, 255).astype(np.uint8))
    data = path.read_bytes()
    middle, end = len(data) * 2 // 3, len(data) - 2
    path.write_bytes(
        {
            "none": data,
            "hole": data[:middle] + data[middle + 200 :],
            "more": data[:end] + bytes(39) + data[end:],
            "trailing": data + bytes(500),
        }[damage]
    )
    return path


@pytest.mark.parametrize(
    ("damage", "seen"), [("none", False), ("trailing", False), ("hole", True), ("more", True)]
)
def test_damaged_jpeg_is_marked(tmp_path: Path, damage: str, seen: bool) -> None:
    found = decode(jpeg(tmp_path / "a.jpg", damage), "still")
    assert found.marks == [seen]
    assert [loss.packets for loss in found.lost] == [0] * seen
    assert all("Corrupt JPEG data" in loss.reason for loss in found.lost)


def test_damaged_jpeg_of_a_folder_is_marked(tmp_path: Path) -> None:
    for number, damage in enumerate(("none", "hole", "none"), 1):
        jpeg(tmp_path / f"{number:05d}.jpg", damage)
    found = decode(tmp_path, "images")
    assert found.marks == [False, True, False]
    assert [round(loss.time_s, 2) for loss in found.lost] == [0.03]


def test_damaged_jpeg_is_decoded_as_opencv_does_without_its_words(tmp_path: Path, capfd) -> None:
    path = jpeg(tmp_path / "a.jpg", "hole")
    picture, damage = load_file(path)
    assert damage
    assert capfd.readouterr().err == ""
    by_opencv = cv2.imread(str(path))
    assert by_opencv is not None
    np.testing.assert_array_equal(picture.rgb(), by_opencv[:, :, ::-1])


@pytest.mark.parametrize("suffix", [".png", ".avif"])
def test_picture_with_a_checksum_is_refused_when_damaged(tmp_path: Path, suffix: str) -> None:
    if not cv2.haveImageWriter(f"a{suffix}"):
        pytest.skip(f"this OpenCV writes no {suffix}")
    path = write_picture(tmp_path / f"a{suffix}", scene(0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="cannot be decoded"):
        decode(path, "still")
