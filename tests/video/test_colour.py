"""Colours of every pixel layout, against a plain float computation from the stored planes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from autrt.types import Frame, Source
from autrt.video.open import open_decoder
from tests.support.media import Clip, scene, write_planes, write_video

F64 = NDArray[np.float64]

LUMA = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt2020": (0.2627, 0.0593)}
SPACE = {"bt709": 1, "bt601": 6, "bt2020": 9}  # ITU-T H.273
STEP = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2), "411": (4, 1), "410": (4, 4)}


def one_frame(path: Path) -> Frame:
    decoder = open_decoder(Source(path, path.name, "video"))
    (frame,) = decoder
    decoder.close()
    return frame


def smooth(shape: tuple[int, int], seed: int, low: float = 40, high: float = 215) -> F64:
    """Return a slowly varying plane, on which all kinds of chroma interpolation agree."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    a, b, c = np.random.default_rng(seed).uniform(1, 3, 3)
    return low + (high - low) * (0.5 + 0.5 * np.sin(a * x * 3 + b * y * 2 + c))


def reference_rgb(planes: list[F64], space: str, full: bool) -> F64:
    """Convert YUV in 0…255 to RGB in floats; chroma planes of any size are enlarged by the mean of neighbours."""
    height, width = planes[0].shape
    y, u, v = (_enlarged(plane, width, height) for plane in planes)
    red, blue = LUMA[space]
    green = 1 - red - blue
    luma = y if full else (y - 16) * 255 / 219
    cb, cr = ((u - 128), (v - 128)) if full else ((u - 128) * 255 / 224, (v - 128) * 255 / 224)
    r = luma + 2 * (1 - red) * cr
    b = luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / green
    return np.clip(np.stack([r, g, b], -1), 0, 255)


def _enlarged(plane: F64, width: int, height: int) -> F64:
    across, down = -(-width // plane.shape[1]), -(-height // plane.shape[0])
    # Left siting: sample c lies at column c · across; rows lie centred.
    x = np.clip(np.arange(width) / across, 0, plane.shape[1] - 1)
    y = np.clip((np.arange(height) - (down - 1) / 2) / down, 0, plane.shape[0] - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, plane.shape[1] - 1), np.minimum(y0 + 1, plane.shape[0] - 1)
    fx, fy = x - x0, (y - y0)[:, None]
    top = plane[y0][:, x0] * (1 - fx) + plane[y0][:, x1] * fx
    bottom = plane[y1][:, x0] * (1 - fx) + plane[y1][:, x1] * fx
    return top * (1 - fy) + bottom * fy


def assert_close(picture: NDArray[np.uint8], wanted: F64, mean: float = 0.7, most: float = 2.5) -> None:
    assert picture.shape == wanted.shape
    error = np.abs(picture - wanted)
    assert error.mean() <= mean
    assert error.max() <= most


@pytest.mark.parametrize("size", [(96, 64), (161, 121), (33, 17), (1, 1)])
@pytest.mark.parametrize(
    "layout", ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuva420p"]
)
def test_planar_bytes(layout: str, size: tuple[int, int], tmp_path: Path) -> None:
    across, down = STEP[layout.strip("yuvap")]
    (width, height), chroma = size, (-(-size[1] // down), -(-size[0] // across))
    planes = [smooth((height, width), 1), smooth(chroma, 2, 80, 180), smooth(chroma, 3, 90, 170)]
    stored = [np.rint(p).astype(np.uint8) for p in planes]
    alpha = [np.full((height, width), 77, np.uint8)] if layout.startswith("yuva") else []
    path = write_planes(tmp_path / "one.mkv", layout, [*stored, *alpha], size)
    assert_close(
        one_frame(path).image.rgb(), reference_rgb([p.astype(float) for p in stored], "bt601", False)
    )


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("layout", ["420", "422", "444"])
def test_deep_planes(layout: str, bits: int, tmp_path: Path) -> None:
    across, down = STEP[layout]
    chroma = -(-64 // down), -(-96 // across)
    planes = [smooth((64, 96), 1), smooth(chroma, 2, 80, 180), smooth(chroma, 3, 90, 170)]
    stored = [np.rint(p * 2 ** (bits - 8)).astype("<u2") for p in planes]
    path = tmp_path / "one.mkv"
    write_planes(
        path, f"yuv{layout}p{bits}le", [p.view(np.uint8).reshape(p.shape[0], -1) for p in stored], (96, 64)
    )
    frame = one_frame(path)
    assert_close(frame.image.rgb(), reference_rgb(planes, "bt601", False), mean=1.2, most=4)


def test_grey_planes(tmp_path: Path) -> None:
    stored = np.rint(smooth((64, 96), 1, 0, 255)).astype(np.uint8)
    picture = one_frame(write_planes(tmp_path / "one.mkv", "gray", [stored], (96, 64))).image.rgb()
    np.testing.assert_array_equal(picture, np.repeat(stored[:, :, None], 3, axis=2))


def test_deep_grey_planes(tmp_path: Path) -> None:
    deep = np.rint(smooth((64, 96), 1, 0, 255) * 257).astype("<u2")
    path = write_planes(tmp_path / "one.mkv", "gray16le", [deep.view(np.uint8)], (96, 64))
    wanted = np.repeat(deep[:, :, None] / 257, 3, axis=2)
    assert_close(one_frame(path).image.rgb(), wanted, mean=0.8, most=2)


@pytest.mark.parametrize("layout", ["bgr0", "bgra", "gbrp10le", "rgb48le"])
def test_rgb_layouts(layout: str, tmp_path: Path) -> None:
    write_video(tmp_path / "one.mkv", [scene(0)], Clip("ffv1", layout))
    assert_close(one_frame(tmp_path / "one.mkv").image.rgb(), scene(0).astype(float), mean=0.5, most=1)


def test_palette(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    indices = random.integers(0, 256, (64, 96), np.uint8)
    palette = random.integers(0, 256, (256, 4), np.uint8)  # B, G, R, A
    palette[:, 3] = 255
    frame = av.VideoFrame(96, 64, "pal8")
    lines = np.zeros((64, frame.planes[0].line_size), np.uint8)
    lines[:, :96] = indices
    frame.planes[0].update(lines.tobytes())
    frame.planes[1].update(palette.tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    with av.open(str(tmp_path / "one.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "pal8"
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    decoder = open_decoder(Source(tmp_path / "one.mov", "one.mov", "video"))
    assert decoder.info.pixel_format == "pal8"
    (decoded,) = decoder
    np.testing.assert_array_equal(decoded.image.rgb(), palette[indices][:, :, 2::-1])


@pytest.mark.parametrize("layout", ["nv12", "nv21", "yuyv422", "uyvy422"])
def test_interleaved_layouts(layout: str, tmp_path: Path) -> None:
    write_video(tmp_path / "one.mkv", [scene(0)], Clip("rawvideo", layout))
    picture = one_frame(tmp_path / "one.mkv").image.rgb().astype(float)
    error = np.abs(picture - scene(0))
    assert np.median(error) <= 2  # away from the edges between colours


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("space", list(SPACE))
def test_stated_matrix_and_range(space: str, full: bool, tmp_path: Path) -> None:
    planes = [
        np.rint(smooth((64, 96), 1)),
        np.rint(smooth((64, 96), 2, 80, 180)),
        np.rint(smooth((64, 96), 3, 90, 170)),
    ]
    path = _tagged(tmp_path / "one.mp4", planes, SPACE[space], 2 if full else 1)
    assert_close(one_frame(path).image.rgb(), reference_rgb(planes, space, full), mean=1.0, most=6)


@pytest.mark.parametrize(("height", "space"), [(718, "bt601"), (720, "bt709"), (1080, "bt709")])
def test_unstated_matrix_goes_by_lines(height: int, space: str, tmp_path: Path) -> None:
    planes = [np.full((height, 64), 120.0), np.full((height, 64), 90.0), np.full((height, 64), 180.0)]
    path = _tagged(tmp_path / "one.mp4", planes, 2, 0)
    assert_close(one_frame(path).image.rgb(), reference_rgb(planes, space, False), mean=1.5, most=3)


def test_reserved_colour_tags_do_no_harm(tmp_path: Path) -> None:
    path = _tagged(
        tmp_path / "one.mp4", [np.full((64, 96), v) for v in (120.0, 90.0, 180.0)], 3, 0, "yuv444p10le"
    )
    wanted = reference_rgb([np.full((64, 96), v) for v in (120.0, 90.0, 180.0)], "bt601", False)
    assert_close(one_frame(path).image.rgb(), wanted, mean=1.5, most=3)


def _tagged(path: Path, planes: list[F64], space: int, color_range: int, layout: str = "yuv444p") -> Path:
    """Return a lossless H.264 frame of full-resolution planes with these colour tags."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, layout)
    deep = layout.endswith("10le")
    for plane, samples in zip(frame.planes, planes, strict=True):
        data = (samples * 4).astype("<u2") if deep else samples.astype(np.uint8)
        lines = np.zeros((height, plane.line_size), np.uint8)
        lines[:, : width * (2 if deep else 1)] = data.view(np.uint8).reshape(height, -1)
        plane.update(lines.tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, layout
        stream.codec_context.colorspace = space
        stream.codec_context.color_range = color_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
