"""Picture files: every format that states several pictures, an orientation or a size is read as it says."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from autrt.errors import VideoError
from autrt.types import Decoder, Frame, Source
from autrt.video.discover import discover
from autrt.video.open import open_decoder
from autrt.video.stills.head import picture_head
from tests.support.heif import write_heic
from tests.support.media import CORNERS, Clip, corners_of, level, middle_of, scene, write_picture, write_video

EXIF = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0%c\0\0\0\0\0\0\0"
"""EXIF data of one tag: the orientation."""


def opened(path: Path, **options: Any) -> Decoder:
    (source,) = discover([path])
    return open_decoder(source, **options)


def frames_of(path: Path, **options: Any) -> tuple[Decoder, list[Frame]]:
    decoder = opened(path, **options)
    return decoder, list(decoder)


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as it is stored, so that EXIF's orientation shows it upright."""
    stored = picture.transpose(1, 0, 2) if orientation >= 5 else picture
    if orientation in (2, 3, 7, 8):
        stored = stored[:, ::-1]
    if orientation in (3, 4, 6, 7):
        stored = stored[::-1]
    return np.ascontiguousarray(stored)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_with_exif(path: Path, picture: np.ndarray, orientation: int, at_end: bool = False) -> Path:
    data = write_picture(path, picture).read_bytes()
    exif = png_chunk(b"eXIf", EXIF % orientation)
    cut = len(data) - 12 if at_end else 33
    path.write_bytes(data[:cut] + exif + data[cut:])
    return path


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(c)) + c + b"\0" * (len(c) % 2) for name, c in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def uint24(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(3, "little") for n in numbers)


def webp_chunks(picture: np.ndarray, quality: int = 101) -> bytes:
    """The chunks of a WebP file (lossless by default), without its head."""
    code = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    data = cv2.imencode(".webp", cv2.cvtColor(picture, code), [cv2.IMWRITE_WEBP_QUALITY, quality])[
        1
    ].tobytes()
    if data[12:16] == b"VP8X":
        return data[30:]
    return data[12:]


def webp_with_exif(path: Path, picture: np.ndarray, orientation: int) -> Path:
    height, width, _ = picture.shape
    chunk = webp_chunks(picture)
    size = int.from_bytes(chunk[4:8], "little")
    head = bytes([8, 0, 0, 0]) + uint24(width - 1, height - 1)
    path.write_bytes(riff((b"VP8X", head), (chunk[:4], chunk[8 : 8 + size]), (b"EXIF", EXIF % orientation)))
    return path


def animated_webp(
    path: Path, frames: list[tuple[np.ndarray, int, int, int, int]], size: tuple[int, int]
) -> Path:
    """Frames: a picture, x, y, milliseconds, and flags (1: dispose, 2: do not blend)."""
    parts = [
        (
            b"ANMF",
            uint24(x // 2, y // 2, picture.shape[1] - 1, picture.shape[0] - 1, ms)
            + bytes([flags])
            + webp_chunks(picture),
        )
        for picture, x, y, ms, flags in frames
    ]
    head = bytes([0x12, 0, 0, 0]) + uint24(size[0] - 1, size[1] - 1)
    path.write_bytes(riff((b"VP8X", head), (b"ANIM", bytes(6)), *parts))
    return path


def write_tiff(
    path: Path, pictures: list[np.ndarray], *, order: str = "<", tags: list[dict[int, int]]
) -> Path:
    """An uncompressed RGB TIFF of several directories, each with further tags."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0))
    link = 4
    for picture, more in zip(pictures, tags, strict=True):
        height, width, _ = picture.shape
        pixels, bits = len(data), len(data) + picture.size
        data += picture.tobytes() + struct.pack(order + "3H", 8, 8, 8)
        data += b"\0" * (len(data) % 2)
        entries = {256: (3, width), 257: (3, height), 258: (3, None), 259: (3, 1), 262: (3, 2)}
        entries |= {273: (4, pixels), 277: (3, 3), 278: (3, height), 279: (4, picture.size), 284: (3, 1)}
        entries |= {tag: (4 if tag == 254 else 3, value) for tag, value in more.items()}
        struct.pack_into(order + "I", data, link, len(data))
        data += struct.pack(order + "H", len(entries))
        for tag, (kind, value) in sorted(entries.items()):
            if value is None:
                data += struct.pack(order + "HHII", tag, kind, 3, bits)
            else:
                data += struct.pack(order + ("HHIHxx" if kind == 3 else "HHII"), tag, kind, 1, value)
        link = len(data)
        data += bytes(4)
    path.write_bytes(data)
    return path


def assert_upright(frame: Frame) -> None:
    picture = frame.image.rgb()
    assert picture.shape == (64, 96, 3)
    for name, colour in corners_of(picture).items():
        np.testing.assert_allclose(colour, CORNERS[name], atol=12, err_msg=name)


# Orientation

ORIENTED: dict[str, Callable[[Path, int], Path]] = {
    "png": lambda folder, way: png_with_exif(folder / "a.png", turned(scene(0), way), way),
    "png, at its end": lambda folder, way: png_with_exif(folder / "a.png", turned(scene(0), way), way, True),
    "webp": lambda folder, way: webp_with_exif(folder / "a.webp", turned(scene(0), way), way),
    "tiff": lambda folder, way: write_tiff(folder / "a.tif", [turned(scene(0), way)], tags=[{274: way}]),
    "big-endian tiff": lambda folder, way: write_tiff(
        folder / "a.tif", [turned(scene(0), way)], order=">", tags=[{274: way}]
    ),
}


@pytest.mark.parametrize("kind", list(ORIENTED))
def test_picture_is_turned_upright_by_its_exif_orientation(kind, tmp_path):
    for way in range(1, 9):
        _, (frame,) = frames_of(ORIENTED[kind](tmp_path, way))
        assert_upright(frame)


@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize(("quarters", "mirror", "stored"), [
    (None, None, lambda p: p),
    (1, None, lambda p: np.rot90(p, -1)),
    (2, None, lambda p: np.rot90(p, 2)),
    (3, 0, lambda p: np.rot90(p[::-1], 1)),
    (None, 1, lambda p: p[:, ::-1]),
])  # fmt: skip
def test_heic_is_joined_and_turned_as_it_says(tile, quarters, mirror, stored, tmp_path):
    picture = np.ascontiguousarray(stored(scene(3)))
    path = write_heic(tmp_path / "a.heic", picture, tile=tile, quarters=quarters, mirror=mirror)
    decoder, (frame,) = frames_of(path)
    assert_upright(frame)
    assert middle_of(frame.image.rgb()) == pytest.approx(level(3), abs=6)
    assert (decoder.info.kind, decoder.info.codec) == ("still", "heic")


def test_heic_that_lacks_a_tile_is_refused(tmp_path):
    path = write_heic(tmp_path / "a.heic", scene(0), tile=(64, 64), lost_tile=True)
    with pytest.raises(VideoError, match="1 of its 2 tiles are damaged"):
        opened(path)


# Several pictures in one file


def test_animated_webp_is_a_video_with_its_own_times(tmp_path):
    shown = [(scene(i), 0, 0, ms, 2) for i, ms in enumerate((40, 200, 0, 70))]
    decoder, frames = frames_of(animated_webp(tmp_path / "a.webp", shown, (96, 64)))
    assert decoder.info.kind == "video"
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.24, 0.34])
    assert [middle_of(frame.image.rgb()) for frame in frames] == pytest.approx([level(i) for i in range(4)])
    assert decoder.info.duration_s == pytest.approx(0.41, abs=0.1)


def test_animated_webp_draws_parts_on_what_was_there(tmp_path):
    part = np.full((32, 48, 4), (10, 20, 30, 255), np.uint8)
    part[:, :24, 3] = 0  # its left half lets the first frame through
    frames = [(scene(0), 0, 0, 50, 2), (part, 48, 32, 50, 1), (part[:2, :2], 0, 0, 50, 0)]
    _, shown = frames_of(animated_webp(tmp_path / "a.webp", frames, (96, 64)))
    second, third = shown[1].image.rgb(), shown[2].image.rgb()
    np.testing.assert_array_equal(second[40, 90], (10, 20, 30))
    np.testing.assert_array_equal(second[40:, :70], scene(0)[40:, :70])
    np.testing.assert_array_equal(third[40, 90], (0, 0, 0))  # the second frame was disposed of
    np.testing.assert_array_equal(third[:2, :2], scene(0)[:2, :2])


def test_lossy_webp_frame_with_alpha_is_decoded(tmp_path):
    picture = np.dstack([scene(2), np.full((64, 96), 255, np.uint8)])
    picture[:, :8, 3] = 0
    frames = [(np.zeros((64, 96, 3), np.uint8), 0, 0, 50, 2)]
    path = animated_webp(tmp_path / "a.webp", frames, (96, 64))
    lossy = webp_chunks(picture, quality=90)
    assert lossy.startswith(b"ALPH")
    body = uint24(0, 0, 95, 63, 50) + bytes([0]) + lossy
    data = path.read_bytes() + b"ANMF" + struct.pack("<I", len(body)) + body
    path.write_bytes(data)
    _, shown = frames_of(path)
    assert middle_of(shown[1].image.rgb()) == pytest.approx(level(2), abs=6)
    assert shown[1].image.rgb()[:, :6].max() == 0


def test_webp_cut_off_gives_the_frames_before_and_a_loss(tmp_path):
    shown = [(scene(i), 0, 0, 40, 2) for i in range(3)]
    path = animated_webp(tmp_path / "a.webp", shown, (96, 64))
    path.write_bytes(path.read_bytes()[:-30])
    decoder, frames = frames_of(path)
    assert len(frames) == 2
    assert "frame cannot be decoded" in decoder.lost[0].reason


def test_animated_png_is_a_video_with_its_own_times(tmp_path):
    clip = Clip("apng", "rgb24", frames=4, rate=Fraction(10), muxer="apng")
    write_video(tmp_path / "a.png", [scene(i) for i in range(4)], clip)
    decoder, frames = frames_of(tmp_path / "a.png")
    assert decoder.info.kind == "video"
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [middle_of(frame.image.rgb()) for frame in frames] == pytest.approx([level(i) for i in range(4)])


@pytest.mark.parametrize("brand", [b"avis", b"msf1", b"hevc"])
def test_sequence_of_heif_pictures_is_a_video(brand, tmp_path):
    data = Clip("mpeg4", frames=4, rate=Fraction(10)).write(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "a.heic"
    path.write_bytes(data[:8] + brand + data[12:])
    decoder, frames = frames_of(path)
    assert (decoder.info.kind, len(frames)) == ("video", 4)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_of_a_tiff_are_frames_at_the_image_rate(order, tmp_path):
    path = write_tiff(tmp_path / "a.tif", [scene(i) for i in range(4)], order=order, tags=[{}] * 4)
    decoder, frames = frames_of(path, image_rate=Fraction(10))
    assert (decoder.info.kind, decoder.info.times_from) == ("video", "rate")
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [middle_of(frame.image.rgb()) for frame in frames] == pytest.approx([level(i) for i in range(4)])


def test_smaller_copy_in_a_tiff_is_no_page(tmp_path):
    tags = [{254: 0}, {254: 1}]
    path = write_tiff(tmp_path / "a.tif", [scene(0), scene(0, 24, 16)], tags=tags)
    decoder, frames = frames_of(path)
    assert (decoder.info.kind, len(frames)) == ("still", 1)


def test_picture_is_read_by_its_content_whatever_its_name(tmp_path):
    heic = write_heic(tmp_path / "a.heic", scene(1)).rename(tmp_path / "photo.jpg")
    webp = animated_webp(tmp_path / "moving.jpg", [(scene(i), 0, 0, 40, 2) for i in range(3)], (96, 64))
    gif = Clip("gif", "rgb8", frames=3).write(tmp_path / "a.gif").rename(tmp_path / "gif.jpg")
    assert_upright(frames_of(heic)[1][0])
    assert len(frames_of(webp)[1]) == len(frames_of(gif)[1]) == 3


def test_pictures_in_a_folder_are_videos_where_they_hold_several(tmp_path):
    animated_webp(tmp_path / "a.webp", [(scene(i), 0, 0, 40, 2) for i in range(2)], (96, 64))
    write_tiff(tmp_path / "b.tif", [scene(0), scene(1)], tags=[{}, {}])
    write_picture(tmp_path / "c.png", scene(0))
    write_picture(tmp_path / "d.webp", scene(0))
    kinds = {source.relative: source.kind for source in discover([tmp_path])}
    assert kinds == {"a.webp": "video", "b.tif": "video", "c.png": "still", "d.webp": "still"}


# Size


SIZED: dict[str, Callable[[Path], bytes]] = {
    "jpeg": lambda path: cv2.imencode(".jpg", scene(0))[1].tobytes(),
    "png": lambda path: cv2.imencode(".png", scene(0))[1].tobytes(),
    "webp": lambda path: cv2.imencode(".webp", scene(0))[1].tobytes(),
    "lossy webp": lambda path: cv2.imencode(".webp", scene(0), [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes(),
    "bmp": lambda path: cv2.imencode(".bmp", scene(0))[1].tobytes(),
    "ppm": lambda path: cv2.imencode(".ppm", scene(0))[1].tobytes(),
    "tiff": lambda path: write_tiff(path, [scene(0)], tags=[{}]).read_bytes(),
    "heif": lambda path: write_heic(path, scene(0)).read_bytes(),
}


@pytest.mark.parametrize("kind", list(SIZED))
def test_size_is_read_from_the_head_and_limited_before_decoding(kind, tmp_path):
    path = tmp_path / "picture.tif"
    data = SIZED[kind](path)
    head = picture_head(data)
    assert head is not None
    assert (head.width, head.height) == (96, 64)
    path.write_bytes(data)
    assert len(frames_of(path, max_pixels=96 * 64)[1]) == 1
    with pytest.raises(VideoError, match=r"96×64 are 6,144 pixels.*limit of 6,143.*--max-pixels 6144"):
        opened(path, max_pixels=96 * 64 - 1)


def test_numbered_picture_above_the_limit_is_a_loss(tmp_path):
    for number in (1, 2, 3):
        write_picture(tmp_path / f"{number:05d}.png", scene(0, 96 * number, 64))
    decoder = open_decoder(Source(tmp_path, "clip", "images"), max_pixels=12_288)
    assert [frame.index for frame in decoder] == [0, 1]
    assert "--max-pixels 18432" in decoder.lost[0].reason


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video", "mjpeg"])
def test_video_above_the_limit_is_refused_before_it_is_decoded(codec, tmp_path):
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = Clip(codec, pixel_format, frames=3).write(tmp_path / "a.mkv")
    assert len(frames_of(path, max_pixels=96 * 64)[1]) == 3
    with pytest.raises(VideoError, match=r"--max-pixels 6144"):
        opened(path, max_pixels=6_000)


def test_video_that_grows_above_the_limit_loses_these_frames(tmp_path):
    small = Clip(frames=5, width=96, height=64).write(tmp_path / "small.ts")
    large = Clip(frames=5, width=1280, height=960, options={"preset": "ultrafast"}).write(
        tmp_path / "large.ts"
    )
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    decoder, frames = frames_of(path, max_pixels=10_000)
    assert 3 <= len(frames) <= 5
    assert any("--max-pixels" in loss.reason for loss in decoder.lost)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8X", b"II*\0"]
)
def test_head_of_a_damaged_picture_is_none(data):
    assert picture_head(data) is None
