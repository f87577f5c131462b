"""PQ and HLG: the standard picture of the same scene comes out, in every layout of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from autrt.types import Image, Source
from autrt.video.open import open_decoder

F64 = NDArray[np.float64]
WIDTH, HEIGHT = 96, 64
WHITE_NITS = 203
TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
LAYOUTS = ["yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p16le", "gbrp10le"]


def standard_picture() -> F64:
    """A smooth picture of skin-like colours, as a standard signal 0…1."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    shade = 0.35 + 0.4 * (0.5 + 0.5 * np.sin(5 * x + 3 * y))
    return np.stack([shade * 1.2, shade * 0.95, shade * 0.8], -1)


def pq(light: F64) -> F64:
    """The PQ signal of light in shares of white (SMPTE ST 2084)."""
    y = (np.clip(light, 0, None) * WHITE_NITS / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg(light: F64) -> F64:
    """The HLG signal of light in shares of white, on a display of 1000 cd/m² (ITU-R BT.2100)."""
    shown = np.clip(light, 0, None) * WHITE_NITS / 1000
    luminance = shown @ (0.2627, 0.678, 0.0593)
    scene = shown * (luminance ** (1 / 1.2 - 1))[..., None]
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


SIGNALS = {"smpte2084": (16, pq), "arib-std-b67": (18, hlg)}


def frame_of(signal: F64, layout: str, full: bool) -> av.VideoFrame:
    """A frame of an R'G'B' signal 0…1, by the matrix of BT.2020."""
    frame = av.VideoFrame(WIDTH, HEIGHT, layout)
    bits = frame.format.components[0].bits
    one = 1 << (bits - 8)
    if layout.startswith("gbr"):
        planes = [signal[..., i] * ((1 << bits) - 1) for i in (1, 2, 0)]
    else:
        luma = signal @ (0.2627, 0.678, 0.0593)
        u, v = (signal[..., 2] - luma) / 1.8814, (signal[..., 0] - luma) / 1.4746
        low, luma_span, span = (0, 256 - 1 / one, 256 - 1 / one) if full else (16, 219, 224)
        planes = [(low + luma_span * luma) * one, (128 + span * u) * one, (128 + span * v) * one]
        across = 2 if "420" in layout or "422" in layout else 1
        down = 2 if "420" in layout else 1
        planes[1:] = [
            p.reshape(HEIGHT // down, down, WIDTH, -1).mean((1, 3))[:, ::across] for p in planes[1:]
        ]
    for plane, samples in zip(frame.planes, planes, strict=True):
        lines = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        lines[:, : samples.shape[1]] = np.rint(samples)
        plane.update(lines.tobytes())
    return frame


def write(
    path: Path, signal: F64, layout: str, transfer: int, primaries: int = 9, full: bool = False
) -> Source:
    """A lossless video of one frame."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, layout
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, primaries
        context.colorspace, context.color_range = 0 if layout.startswith("gbr") else 9, 2 if full else 1
        for packet in [*stream.encode(frame_of(signal, layout, full)), *stream.encode(None)]:
            container.mux(packet)
    return Source(path, path.name, "video")


def image_of(source: Source) -> Image:
    decoder = open_decoder(source)
    (frame,) = decoder
    decoder.close()
    return frame.image


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", list(SIGNALS))
def test_high_range_gives_the_standard_picture(name, layout, full, tmp_path):
    transfer, signal_of = SIGNALS[name]
    wanted = standard_picture()
    light = wanted**2.4 @ np.linalg.inv(TO_BT709).T
    source = write(tmp_path / "a.mkv", signal_of(light), layout, transfer, full=full)
    image = image_of(source)
    tolerance = 3 if "444" in layout or "gbr" in layout else 6  # chroma is shifted by its own siting
    np.testing.assert_allclose(image.rgb()[2:-2, 2:-2], 255 * wanted[2:-2, 2:-2], atol=tolerance)
    means = wanted.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean((1, 3))
    np.testing.assert_allclose(image.resized(WIDTH // 2, HEIGHT // 2), 255 * means, atol=7)
    crop = image.warped(np.float32([[1, 0, -20], [0, 1, -10]]), 40)
    np.testing.assert_allclose(crop, 255 * wanted[10:50, 20:60], atol=tolerance)


@pytest.mark.parametrize("name", list(SIGNALS))
def test_high_range_keeps_bt709_primaries(name, tmp_path):
    transfer, signal_of = SIGNALS[name]
    wanted = standard_picture()
    source = write(tmp_path / "a.mkv", signal_of(wanted**2.4), "yuv444p10le", transfer, primaries=1)
    np.testing.assert_allclose(image_of(source).rgb(), 255 * wanted, atol=3)


def test_light_above_white_is_compressed_and_keeps_its_order(tmp_path):
    nits = np.linspace(0, 1200, WIDTH)
    grey = np.broadcast_to(pq(nits / WHITE_NITS)[None, :, None], (HEIGHT, WIDTH, 3))
    shown = image_of(write(tmp_path / "a.mkv", np.array(grey), "yuv444p10le", 16)).rgb()[32, :, 1].astype(int)
    assert (np.diff(shown) >= 0).all()
    at_white = int(shown[np.argmin(np.abs(nits - WHITE_NITS))])
    assert 235 <= at_white < 255
    assert shown[-1] == 255
    assert shown[np.argmin(np.abs(nits - 600))] > at_white


@pytest.mark.parametrize(("name", "stated"), [("smpte2084", 16), ("arib-std-b67", 18), ("bt709", 1)])
def test_colour_of_the_stream_is_a_fact_of_the_video(name, stated, tmp_path):
    source = write(tmp_path / "a.mkv", standard_picture(), "yuv420p10le", stated)
    decoder = open_decoder(source)
    assert (decoder.info.transfer, decoder.info.primaries, decoder.info.matrix) == (
        name,
        "bt2020",
        "bt2020nc",
    )
    decoder.close()
