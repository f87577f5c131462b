"""Contract of `Decoder`: one parameter per decoder and kind of file."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from autrt.types import Decoder, Source
from autrt.video.open import open_decoder
from autrt.video.planar_image import PlanarImage
from tests.support.media import (
    CORNERS,
    Clip,
    corners_of,
    decoded_alone,
    level,
    middle_of,
    scene,
    with_exif_orientation,
    write_picture,
    write_video,
)

VFR = [0, 40, 75, 90, 200, 240, 300, 310, 350, 420, 700, 740, 780, 800, 880, 920, 960, 1100, 1140, 1180]
QUICK_VP9 = {"deadline": "realtime", "cpu-used": "8", "b": "600k"}


@dataclass
class Case:
    """A way to write an intact video of `scene`s, and the expected frames."""

    name: str
    clip: Clip = field(default_factory=Clip)
    write: Callable[[Path], Source] | None = None
    times: list[float] | None = None
    """Seconds, where they are not one 25th apart."""
    indices: list[int] | None = None
    tolerance: float = 14
    """Tolerance of colours, in grey levels."""
    grey: bool = False
    open: Callable[[Source], Decoder] = lambda source: open_decoder(source, image_rate=Fraction(25))

    def make(self, folder: Path) -> Source:
        if self.write is not None:
            return self.write(folder)
        return Source(self.clip.write(folder / self.name), self.name, "video")


def _folder(numbers: list[int], suffix: str) -> Callable[[Path], Source]:
    def write(folder: Path) -> Source:
        (folder / "clip").mkdir()
        for i, number in enumerate(numbers):
            write_picture(folder / "clip" / f"{number:05d}{suffix}", scene(i))
        return Source(folder / "clip", "clip", "images")

    return write


def _turned_still(folder: Path) -> Source:
    path = write_picture(folder / "still.jpg", np.ascontiguousarray(np.rot90(scene(0), 1)))
    path.write_bytes(with_exif_orientation(path.read_bytes(), 6))
    return Source(path, "still.jpg", "still")


def _by_dali(source: Source) -> Decoder:
    pytest.importorskip("torch")
    pytest.importorskip("nvidia.dali")
    from autrt.gpu.dali import DaliDecoder

    return DaliDecoder(source.path, frames=4)  # which live together


ON_A_DEVICE = [
    Case("dali_bt709.webm", Clip("libvpx-vp9", options=QUICK_VP9, colour={"colorspace": 1}), open=_by_dali),
    Case("dali_vp8.webm", Clip("libvpx", options=QUICK_VP9), open=_by_dali),
    Case("dali_mjpeg.avi", Clip("mjpeg", "yuvj422p"), open=_by_dali),
    Case(
        "dali_vfr.webm",
        Clip("libvpx-vp9", frames=20, time_base=Fraction(1, 1000), stamps=VFR, options=QUICK_VP9),
        times=[t / 1000 for t in VFR],
        open=_by_dali,
    ),
    Case("dali_rotated_270.mp4", Clip("mjpeg", "yuvj420p", rotation=(90,)), open=_by_dali),
    Case("dali_mirrored.mp4", Clip("mjpeg", "yuvj420p", rotation=(0, True)), open=_by_dali),
]
CASES = [
    Case("h264.mp4"),
    Case("h264_audio.mkv", Clip(audio=True)),
    Case("h264_b_frames.ts", Clip(options={"bf": "3", "g": "12"})),
    Case("h264_10bit_full.mp4", Clip(pixel_format="yuv420p10le", colour={"color_range": 2})),
    Case("h264_444_bt709.mp4", Clip(pixel_format="yuv444p", colour={"colorspace": 1})),
    Case("h264_grey.mp4", Clip(pixel_format="gray", colour={"color_range": 2}), grey=True),
    Case("hevc.mp4", Clip("libx265", options={"x265-params": "log-level=none:bframes=2"})),
    Case("vp9.webm", Clip("libvpx-vp9", options=QUICK_VP9)),
    Case("mpeg4.mp4", Clip("mpeg4", options={"bf": "2", "b": "2M"})),
    Case("mjpeg.avi", Clip("mjpeg", "yuvj422p")),
    Case("mpeg2.mpg", Clip("mpeg2video", options={"b": "2M"}, rate=Fraction(25))),
    Case("ffv1_odd.mkv", Clip("ffv1", width=161, height=121)),
    Case("rgb.mp4", Clip("libx264rgb", "rgb24")),
    Case("animated.gif", Clip("gif", "rgb8"), tolerance=45),
    Case("h263.flv", Clip("flv")),
    Case("vfr.mkv", Clip(frames=20, time_base=Fraction(1, 1000), stamps=VFR), times=[t / 1000 for t in VFR]),
    Case("pictures", Clip(frames=5), write=_folder([1, 2, 3, 4, 5], ".png")),
    Case(
        "pictures_with_gaps",
        Clip(frames=4),
        write=_folder([3, 4, 70, 100_000], ".jpg"),
        times=[2 / 25, 3 / 25, 69 / 25, 99_999 / 25],
        indices=[2, 3, 69, 99_999],
    ),
    Case("still", Clip(frames=1), write=_turned_still),
    Case("rotated_90.mp4", Clip(rotation=(-90,))),
    Case("rotated_180.mp4", Clip(rotation=(180,))),
    Case("rotated_270.mkv", Clip(rotation=(90,))),
    Case("mirrored.mp4", Clip(rotation=(0, True))),
    *ON_A_DEVICE,
]
TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rotated_90.mp4": lambda shown: np.rot90(shown, 1),
    "rotated_180.mp4": lambda shown: np.rot90(shown, 2),
    "rotated_270.mkv": lambda shown: np.rot90(shown, 3),
    "mirrored.mp4": lambda shown: shown[:, ::-1],
    "dali_rotated_270.mp4": lambda shown: np.rot90(shown, 3),
    "dali_mirrored.mp4": lambda shown: shown[:, ::-1],
}


@dataclass
class Made:
    case: Case
    source: Source

    def open(self) -> Decoder:
        return self.case.open(self.source)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    case: Case = request.param
    folder = tmp_path_factory.mktemp("contract")
    if case.name in TURNS:  # stored turned, so that the file's word makes it upright
        case.write = lambda to: _turned(case, to)
    return Made(case, case.make(folder))


def _turned(case: Case, folder: Path) -> Source:
    stored = [np.ascontiguousarray(TURNS[case.name](scene(i))) for i in range(case.clip.frames)]
    case.clip.height, case.clip.width = stored[0].shape[:2]
    write_video(folder / case.name, stored, case.clip)
    return Source(folder / case.name, case.name, "video")


@pytest.fixture
def decoder(made: Made) -> Iterator[Decoder]:
    decoder = made.open()
    yield decoder
    decoder.close()
    assert getattr(decoder, "fallback", None) is None, "DALI's decoder left it to PyAV's"


def test_decoder_meets_the_protocol(decoder: Decoder) -> None:
    assert isinstance(decoder, Decoder)


def test_indices_count_all_frames(made: Made, decoder: Decoder) -> None:
    indices = [frame.index for frame in decoder]
    assert indices == (made.case.indices or list(range(made.case.clip.frames)))


def test_times_are_correct_and_increase(made: Made, decoder: Decoder) -> None:
    frames = [(frame.pts, frame.time_s) for frame in decoder]
    times = np.array([time for _, time in frames])
    wanted = made.case.times or [i / 25 for i in range(made.case.clip.frames)]
    assert np.all(np.diff(times) > 0)
    # Milliseconds in Matroska and FLV, hundredths in GIF; a fixed delay before the first frame is allowed.
    np.testing.assert_allclose(times - times[0], np.array(wanted) - wanted[0], atol=0.0051)
    base = decoder.info.time_base
    for pts, time in frames:
        assert time == pytest.approx(float(pts * base) - decoder.info.start_s, abs=2e-6)


def test_frames_equal_those_of_a_plain_decode_loop(made: Made, decoder: Decoder) -> None:
    if made.source.kind != "video":
        pytest.skip("no container")
    alone = [time for time, _ in decoded_alone(made.source.path)]
    np.testing.assert_allclose([frame.time_s for frame in decoder], alone, atol=2e-6)


def test_intact_file_loses_nothing(decoder: Decoder) -> None:
    assert sum(1 for _ in decoder) > 0
    assert list(decoder.lost) == []
    assert decoder.repaired_times == 0


def test_frames_are_upright_and_of_the_stated_size(made: Made, decoder: Decoder) -> None:
    info = decoder.info
    for frame in decoder:
        picture = frame.image.rgb()
        assert picture.dtype == np.uint8
        assert picture.shape == (info.height, info.width, 3)
        assert (frame.image.width, frame.image.height) == (info.width, info.height)
    assert (info.width, info.height) in {(96, 64), (161, 121)}


def test_colours_are_correct(made: Made, decoder: Decoder) -> None:
    for frame in decoder:
        for name, colour in corners_of(frame.image.rgb()).items():
            wanted = np.array(CORNERS[name], float)
            if made.case.grey:
                wanted[:] = wanted @ (0.299, 0.587, 0.114)
            np.testing.assert_allclose(colour, wanted, atol=made.case.tolerance, err_msg=name)


def test_frames_come_in_presentation_order(made: Made, decoder: Decoder) -> None:
    levels = [middle_of(frame.image.rgb()) for frame in decoder]
    wanted = [level(i) for i in range(made.case.clip.frames)]
    np.testing.assert_allclose(levels, wanted, atol=20 if made.case.name == "animated.gif" else 7)


def test_info_is_plausible(made: Made, decoder: Decoder) -> None:
    info = decoder.info
    assert info.path == made.source.path
    assert info.kind == made.source.kind
    assert info.codec
    assert info.pixel_format
    assert info.rate > 0
    assert info.time_base > 0
    if info.duration_s is not None and made.case.times is None:
        assert info.duration_s == pytest.approx(made.case.clip.frames / 25, abs=0.2)


def test_close_ends_an_iteration_and_keeps_frames(made: Made, decoder: Decoder) -> None:
    frames = iter(decoder)
    first = next(frames)
    before = first.image.rgb()
    decoder.close()
    assert list(frames) == []
    np.testing.assert_array_equal(first.image.rgb(), before)
    decoder.close()


def test_frames_are_yielded_once(decoder: Decoder) -> None:
    assert list(decoder)
    assert list(decoder) == []


def test_decoder_keeps_no_frame_that_it_yielded(decoder: Decoder) -> None:
    gc.collect()
    gc.freeze()  # out of sight of get_objects, and so out of every count below
    try:
        alive = []
        for frame in decoder:
            assert frame.image.width
            del frame
            alive.append(_live_images())
    finally:
        gc.unfreeze()
    # A packet may bring a few pictures at once.
    assert alive
    assert max(alive) <= 4


def _live_images() -> int:
    kinds = {PlanarImage.__name__, "TensorImage"}
    return sum(type(thing).__name__ in kinds for thing in gc.get_objects())
