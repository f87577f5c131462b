"""Opening sources: the choice of the stream, pictures, folders of pictures, and probing."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from autrt.errors import VideoError
from autrt.types import Decoder, Source
from autrt.video.open import open_decoder
from autrt.video.probe import probe
from tests.support.media import (
    CORNERS,
    Clip,
    corners_of,
    level,
    middle_of,
    scene,
    with_exif_orientation,
    write_audio,
    write_picture,
)


def open_video(path: Path) -> Decoder:
    return open_decoder(Source(path, path.name, "video"))


def open_images(path: Path, rate: Fraction = Fraction(30)) -> Decoder:
    return open_decoder(Source(path, path.name, "images"), image_rate=rate)


def open_still(path: Path) -> Decoder:
    return open_decoder(Source(path, path.name, "still"))


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()


def assert_scene(picture: np.ndarray, atol: float = 10) -> None:
    for name, colour in corners_of(picture).items():
        np.testing.assert_allclose(colour, CORNERS[name], atol=atol, err_msg=name)


# Streams


def test_audio_only(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no video stream in it, only audio"):
        open_video(write_audio(tmp_path / "song.mp4"))


def test_audio_with_a_cover_picture(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "song.mp4", cover=jpeg(scene(0, 32, 32)))
    with pytest.raises(VideoError, match="only a cover picture and audio"):
        open_video(path)


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = Clip(cover=jpeg(np.zeros((32, 32, 3), np.uint8)), audio=True).write(tmp_path / "film.mp4")
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    decoder = open_video(path)
    frames = list(decoder)
    assert len(frames) == 24
    assert_scene(frames[0].image.rgb(), 14)
    decoder.close()


@pytest.mark.parametrize(("default", "wanted"), [(0, 40), (1, 200)])
def test_default_one_of_two_videos_is_decoded(default: int, wanted: int, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams: list[Any] = []
        for i in range(2):
            stream: Any = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.disposition = av.stream.Disposition.default.value if i == default else 0
            streams.append(stream)
        for i in range(5):
            for stream, grey in zip(streams, (40, 200), strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8))
                frame.pts, frame.time_base = i, Fraction(1, 25)
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
        for stream in streams:
            container.mux(stream.encode(None))
    frames = list(open_video(tmp_path / "two.mkv"))
    assert len(frames) == 5
    assert all(abs(frame.image.rgb().mean() - wanted) < 3 for frame in frames)


def test_metadata_of_unknown_encoding_is_accepted(tmp_path: Path) -> None:
    path = Clip("mpeg4", frames=3).write(tmp_path / "in.avi")
    with av.open(str(path)) as source, av.open(str(tmp_path / "odd.avi"), "w") as target:
        target.metadata["title"] = "TITLETITLE"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "odd.avi").read_bytes()
    assert b"TITLETITLE" in data
    (tmp_path / "odd.avi").write_bytes(data.replace(b"TITLETITLE", b"\xff\xfe\x80caf\xe9\xe8\xe7!"))
    assert len(list(open_video(tmp_path / "odd.avi"))) == 3


@pytest.mark.parametrize(
    "name",
    [
        b"plain.mp4", b"with space.mp4", b"new\nline.mp4", b"'quo\"ted'.mp4", "😀.mp4".encode(),
        b"\xff\xfe\x80.mp4",
        b"a:b.mp4", b"http:x.mp4", b"-.mp4", b"%05d.mp4", b"*?[a].mp4", b"concat:a|b.mp4", b"x" * 246 + b".mp4",
    ],
)  # fmt: skip
def test_any_file_name_opens(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    Clip(frames=3).write(tmp_path / "in.mp4").rename(path)
    assert len(list(open_video(path))) == 3


def test_playlist_opens_no_other_file(tmp_path: Path) -> None:
    Clip(frames=3).write(tmp_path / "seen.ts")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nseen.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(VideoError, match="text"):
        open_video(tmp_path / "list.m3u8")


def test_still_with_a_video_suffix_is_one_frame(tmp_path: Path) -> None:
    (tmp_path / "one.mp4").write_bytes(jpeg(scene(0)))
    (frame,) = open_video(tmp_path / "one.mp4")
    assert_scene(frame.image.rgb())


# Pictures


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm"])
def test_stills(suffix: str, tmp_path: Path) -> None:
    decoder = open_still(write_picture(tmp_path / f"one{suffix}", scene(0)))
    (frame,) = decoder
    assert (frame.index, frame.pts, frame.time_s) == (0, 0, 0)
    assert (decoder.info.kind, decoder.info.frame_count) == ("still", 1)
    assert_scene(frame.image.rgb())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, tmp_path: Path) -> None:
    turns = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    stored = np.ascontiguousarray(turns[orientation](scene(0)))
    (tmp_path / "one.jpg").write_bytes(with_exif_orientation(jpeg(stored), orientation))
    decoder = open_still(tmp_path / "one.jpg")
    assert (decoder.info.width, decoder.info.height) == (96, 64)
    (frame,) = decoder
    assert_scene(frame.image.rgb())


def test_grey_deep_and_transparent_pictures(tmp_path: Path) -> None:
    grey = scene(0)[:, :, 1]
    write_picture(tmp_path / "grey.png", grey)
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 257)
    alpha = np.dstack([scene(0)[:, :, ::-1], np.full((64, 96), 9, np.uint8)])
    cv2.imwrite(str(tmp_path / "alpha.png"), alpha)
    wanted = np.repeat(grey[:, :, None], 3, axis=2).astype(float)
    for name in ("grey.png", "deep.png"):
        (frame,) = open_still(tmp_path / name)
        np.testing.assert_allclose(frame.image.rgb(), wanted, atol=1)
    (frame,) = open_still(tmp_path / "alpha.png")
    np.testing.assert_array_equal(frame.image.rgb(), scene(0))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "empty"),
        ("text.jpg", b"hello\n", "text"),
        ("noise.png", bytes(range(256)) * 10, "cannot be decoded"),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic" + bytes(100), "cannot be decoded"),
    ],
)
def test_files_that_are_no_stills_are_refused(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=reason):
        open_still(tmp_path / name)


def test_folder_with_gaps_damage_and_other_sizes(tmp_path: Path) -> None:
    write_picture(tmp_path / "00002.jpg", scene(0))
    write_picture(tmp_path / "00003.png", scene(1, 192, 128))
    whole = write_picture(tmp_path / "00004.jpg", scene(2)).read_bytes()
    (tmp_path / "00004.jpg").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "00005.jpg").touch()
    (tmp_path / "00006.jpg").symlink_to("gone.jpg")
    write_picture(tmp_path / "00010.jpg", scene(3))
    write_picture(tmp_path / "cover.jpg", scene(9))
    decoder = open_images(tmp_path, Fraction(10))
    frames = list(decoder)
    assert [frame.index for frame in frames] == [1, 2, 9]
    assert [frame.time_s for frame in frames] == pytest.approx([0.1, 0.2, 0.9])
    assert {(frame.image.width, frame.image.height) for frame in frames} == {(96, 64)}
    assert [middle_of(f.image.rgb()) for f in frames] == pytest.approx([level(0), level(1), level(3)], abs=4)
    assert sum(loss.packets for loss in decoder.lost) == 3
    assert all(
        loss.time_s in (pytest.approx(0.3), pytest.approx(0.4), pytest.approx(0.5)) for loss in decoder.lost
    )
    assert decoder.info.frame_count == 6
    assert decoder.info.rate == 10
    assert decoder.info.time_base == Fraction(1, 10)


def test_folder_that_counts_from_zero(tmp_path: Path) -> None:
    for i in range(3):
        write_picture(tmp_path / f"{i:05d}.png", scene(i))
    frames = list(open_images(tmp_path))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [middle_of(f.image.rgb()) for f in frames] == [level(i) for i in range(3)]


def test_folder_with_one_number_twice(tmp_path: Path) -> None:
    for i, name in enumerate(["00001.jpg", "00002.jpg", "000002.jpg", "00002.png", "00003.jpg"]):
        write_picture(tmp_path / name, scene(i))
    decoder = open_images(tmp_path)
    assert [frame.index for frame in decoder] == [0, 1, 2]
    assert [(loss.packets, "same number" in loss.reason) for loss in decoder.lost] == [(2, True)]


def test_folder_whose_first_pictures_are_bad(tmp_path: Path) -> None:
    (tmp_path / "00001.jpg").touch()
    write_picture(tmp_path / "00002.jpg", scene(1))
    decoder = open_images(tmp_path)
    assert [frame.index for frame in decoder] == [1]
    assert len(decoder.lost) == 1


def test_folder_without_a_good_picture(tmp_path: Path) -> None:
    (tmp_path / "00001.jpg").touch()
    (tmp_path / "00002.jpg").write_bytes(b"no")
    with pytest.raises(VideoError, match="not one picture"):
        open_images(tmp_path)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.touch()])
def test_missing_folder_is_refused(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "clip")
    with pytest.raises(VideoError):
        open_images(tmp_path / "clip")


# Probing


def test_probe(tmp_path: Path) -> None:
    path = Clip(rotation=(-90,), pixel_aspect=Fraction(2, 1), audio=True).write(tmp_path / "film.mp4")
    info = probe(Source(path, "film.mp4", "video"))
    assert (info.width, info.height, info.rotation_deg) == (64, 96, 90)
    assert info.pixel_aspect == Fraction(1, 2)
    assert (info.rate, info.frame_count, info.codec, info.pixel_format) == (25, 24, "h264", "yuv420p")
    assert info.duration_s == pytest.approx(0.96)


def test_probe_of_pictures(tmp_path: Path) -> None:
    for i in range(1, 4):
        write_picture(tmp_path / f"{i:05d}.png", scene(i))
    info = probe(Source(tmp_path, "clip", "images"), Fraction(24000, 1001))
    assert (info.kind, info.rate, info.frame_count) == ("images", Fraction(24000, 1001), 3)


def test_probe_reports_the_reason(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        probe(Source(tmp_path / "none.mp4", "none.mp4", "video"))


@pytest.mark.parametrize("name", ["single_face.mp4", "WolfgangLanger_Pexels.mp4", "d12.mp4", "no_face.mp4"])
def test_real_clips(name: str) -> None:
    path = Path(__file__).parents[3] / "shared" / "media" / name
    if not path.exists():
        pytest.skip("the clip is not here")
    decoder = open_video(path)
    times = [frame.time_s for frame in decoder]
    with av.open(str(path)) as container:
        assert len(times) == sum(1 for _ in container.decode(video=0))
    assert times[0] == 0
    assert np.all(np.diff(times) > 0)
    assert not decoder.lost
    assert decoder.repaired_times == 0
