"""Frames that vanished in silence are told, and nothing is told of sound files that look alike."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest

from autrt.errors import VideoError
from autrt.types import Loss, Source
from autrt.video.open import open_decoder
from autrt.video.pyav_compat import LOG_IS_CHEAP
from tests.campaign import damage
from tests.support.media import Clip, half

needs_log = pytest.mark.skipif(
    not LOG_IS_CHEAP, reason="this release of PyAV has a log that is too slow to use"
)

MS = Fraction(1, 1000)
TICK = Fraction(1, 90_000)
MPEG2 = {"b": "1M", "g": "6"}
VP8 = {"deadline": "realtime", "cpu-used": "8", "b": "300k", "g": "10"}
TS_BYTES = 188


def losses(path: Path) -> tuple[int, list[Loss]]:
    """Number of frames of a file, and what its decoder says was lost."""
    decoder = open_decoder(Source(path, path.name, "video"))
    frames = sum(1 for _ in decoder)
    decoder.close()
    return frames, list(decoder.lost)


def steps(*lengths: int) -> list[int]:
    """Stamps from the distances between them."""
    return list(accumulate(lengths, initial=0))


def timed(stamps: list[int], base: Fraction = TICK, codec: str = "mpeg2video", **more: object) -> Clip:
    """A clip with a frame at each stamp."""
    options = {"mpeg2video": MPEG2, "libvpx": VP8}.get(codec, {"g": "10", "bf": "0"})
    rate = Fraction(30)
    return Clip(codec, frames=len(stamps), stamps=stamps, time_base=base, rate=rate, options=options, **more)  # pyright: ignore[reportArgumentType]


random = Random(1)
UNEVEN = steps(*(random.randint(15, 80) for _ in range(29)))
PAUSES = steps(*([33] * 10 + [2500] + [33] * 12 + [700] + [33] * 5))
DROPPED = steps(*(3000 * random.choice([1, 1, 2, 3]) for _ in range(39)))
HALVED = steps(*([3000] * 20 + [6000] * 15))
PULLED_DOWN = steps(*([1500] * 12 + [3000, 4500] * 12 + [1500] * 12))
SLIDES = steps(*([5000] * 6))
RESTARTED = steps(*([3000] * 15 + [1_500_000] + [3000] * 15))

SOUND: dict[str, Clip] = {
    "uneven.mp4": timed(UNEVEN, MS, "libx264"),
    "uneven.mov": timed(UNEVEN, MS, "libx264"),
    "uneven.mkv": timed(UNEVEN, MS, "libx264", audio=True),
    "uneven.webm": timed(UNEVEN, MS, "libvpx"),
    "uneven.flv": timed(UNEVEN, MS, "libx264"),
    "uneven.ts": timed([90 * ms for ms in UNEVEN], TICK, "libx264"),
    "pauses.mp4": timed(PAUSES, MS, "libx264"),
    "pauses.mkv": timed(PAUSES, MS, "libx264"),
    "pauses.flv": timed(PAUSES, MS, "libx264"),
    "live_with_pauses.webm": timed(PAUSES, MS, "libvpx", muxer_options={"live": "1"}),
    "slides.mp4": timed(SLIDES, MS, "libx264"),
    "slides.mkv": timed(SLIDES, MS, "libx264"),
    "slides.ts": timed([90 * ms for ms in SLIDES], TICK, "libx264"),
    "equal_frames_dropped.ts": timed(DROPPED, TICK, "libx264"),
    "rate_halved_in_the_dark.ts": timed(HALVED, TICK, "libx264"),
    "film_in_video.ts": timed(PULLED_DOWN, TICK, "libx264"),
    "long_jump.ts": timed(RESTARTED, TICK, "libx264"),
    "reordered.ts": Clip(frames=40, options={"bf": "3", "g": "12"}, audio=True),
    "reordered_mpeg2.ts": Clip("mpeg2video", frames=40, options={**MPEG2, "bf": "2"}),
    "interlaced.ts": Clip("mpeg2video", frames=30, options={**MPEG2, "flags": "+ilme+ildct", "bf": "2"}),
    "padded.ts": Clip("mpeg2video", options=MPEG2, muxer_options={"muxrate": "3000000"}),
    "blu_ray.m2ts": Clip(muxer="mpegts", muxer_options={"mpegts_m2ts_mode": "1"}, audio=True),
    "mpeg2.mpg": Clip("mpeg2video", frames=40, options={**MPEG2, "bf": "2"}, grain=8),
    "mpeg1.mpg": Clip("mpeg1video", frames=40, options=MPEG2, grain=8),
    "small_pictures.mpg": Clip("mpeg2video", frames=40, width=64, height=96, options={"g": "1"}),
    "dvd.vob": Clip("mpeg2video", frames=40, options=MPEG2, muxer="dvd", grain=8),
    "small_clusters.mkv": Clip(audio=True, muxer_options={"cluster_time_limit": "100"}),
    "index_first.mkv": Clip(muxer_options={"reserve_index_space": "4000", "cues_to_front": "1"}),
    "with_transparency.webm": Clip("libvpx", "yuva420p", options={**VP8, "auto-alt-ref": "0"}),
    "sound.flv": Clip(audio=False, muxer_options={"flvflags": "add_keyframe_index"}),
    "plain.nut": Clip("mpeg4", grain=4, audio=True),
    "reordered_mpeg4.mp4": Clip("mpeg4", frames=40, options={"bf": "2"}),
    "reordered_mpeg4.mkv": Clip("mpeg4", frames=40, options={"bf": "2"}),
    "fragments.mp4": Clip(options={"g": "6"}, muxer_options={"movflags": "frag_keyframe+empty_moov"}),
    "negative_times.mp4": Clip(options={"bf": "3"}, muxer_options={"movflags": "negative_cts_offsets"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_lost_of_a_sound_file(tmp_path: Path, name: str) -> None:
    clip = SOUND[name]
    assert losses(clip.write(tmp_path / name)) == (clip.frames, [])


def test_recordings_of_one_rate_with_a_jump_between_them_are_sound(tmp_path: Path) -> None:
    first = timed(steps(*([3000] * 15)), TICK, "libx264").write(tmp_path / "a.ts")
    second = timed([s + 96_000 for s in steps(*([3000] * 15))], TICK, "libx264").write(tmp_path / "b.ts")
    (tmp_path / "joined.ts").write_bytes(first.read_bytes() + second.read_bytes())
    assert losses(tmp_path / "joined.ts") == (32, [])


WHOLE: dict[str, Clip] = {
    "h264.ts": Clip(frames=30, options={"g": "10", "bf": "2"}, grain=4, audio=True),
    "mpeg2.ts": Clip("mpeg2video", frames=30, options=MPEG2, grain=4),
    "mpeg2.mpg": Clip("mpeg2video", frames=30, options=MPEG2, grain=12),
    "h264.mkv": Clip(frames=30, options={"g": "10"}, grain=4),
    "vp8.webm": Clip("libvpx", frames=30, options=VP8, grain=4, muxer_options={"cluster_time_limit": "300"}),
    "h264.flv": Clip(frames=30, options={"g": "10"}, grain=4),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for name, clip in WHOLE.items():
        clip.write(folder / name)
    return folder


HOLES: tuple[damage.Damage, ...] = (damage.drop_stretch, damage.overwrite_noise, damage.zero_stretch)


@pytest.mark.parametrize("hurt", HOLES, ids=lambda hurt: hurt.__name__)
@pytest.mark.parametrize("name", WHOLE)
def test_frames_that_a_hole_swallows_are_told(
    whole: Path, tmp_path: Path, name: str, hurt: damage.Damage
) -> None:
    data = (whole / name).read_bytes()
    for seed in range(4):
        middle = bytearray(data[len(data) // 8 : -len(data) // 8])
        bad = tmp_path / name
        bad.write_bytes(data[: len(data) // 8] + hurt(Random(seed), middle) + data[-len(data) // 8 :])
        with suppress(VideoError):
            frames, lost = losses(bad)
            assert lost or frames == WHOLE[name].frames, seed


def test_end_that_is_cut_within_an_element_is_told(whole: Path, tmp_path: Path) -> None:
    for name in ("h264.flv", "mpeg2.ts", "mpeg2.mpg"):
        cut = half((whole / name), tmp_path / name, 0.963)
        assert any("cut off" in loss.reason for loss in losses(cut)[1]), name


def test_flash_video_that_is_cut_between_its_last_tags_is_told(whole: Path, tmp_path: Path) -> None:
    data = (whole / "h264.flv").read_bytes()
    starts = [13]
    while starts[-1] < len(data):
        starts.append(starts[-1] + 15 + int.from_bytes(data[starts[-1] + 1 : starts[-1] + 4]))
    assert starts[-1] == len(data)
    all_frames = WHOLE["h264.flv"].frames
    for cut in starts[-9:]:
        (tmp_path / "a.flv").write_bytes(data[:cut])
        frames, lost = losses(tmp_path / "a.flv")
        assert bool(lost) == (frames < all_frames), len(data) - cut


def test_sixteen_packets_that_no_counter_misses_are_told(whole: Path, tmp_path: Path) -> None:
    """The counter of a transport stream's packets comes round after 16."""
    data = (whole / "mpeg2.ts").read_bytes()
    packets = [data[i : i + TS_BYTES] for i in range(0, len(data), TS_BYTES)]
    of_video = [i for i, p in enumerate(packets) if (p[1] & 0x1F, p[2]) == (1, 0)]
    begins = [i for i in of_video if packets[i][1] & 0x40]
    run = next(
        run for start in begins[8:] if (run := [i for i in of_video if i >= start][:17])[-1] in begins
    )[:16]
    (tmp_path / "a.ts").write_bytes(b"".join(p for i, p in enumerate(packets) if i not in run))
    frames, lost = losses(tmp_path / "a.ts")
    assert sum(loss.packets for loss in lost if "probably missing" in loss.reason) == 30 - frames > 0


def test_picture_whose_head_in_a_transport_stream_is_gone_is_told(whole: Path, tmp_path: Path) -> None:
    data = bytearray((whole / "mpeg2.ts").read_bytes())
    heads = [at for at in range(0, len(data), TS_BYTES) if data.startswith(b"\x41\0", at + 1)]
    last = data.index(b"\0\0\1\xe0", heads[-1])
    data[last : last + 4] = bytes(4)
    (tmp_path / "a.ts").write_bytes(data)
    frames, lost = losses(tmp_path / "a.ts")
    assert frames == 29
    assert lost


def flip(path: Path, to: Path, box: bytes, offset: int, bit: int) -> Path:
    """Flip a bit of an MP4 file, at an offset from the name of its last box of that name."""
    data = bytearray(path.read_bytes())
    data[data.rindex(box) + offset] ^= 1 << bit
    to.write_bytes(data)
    return to


@pytest.mark.parametrize(
    ("clip", "box"),
    [(Clip(frames=30, options={"bf": "3"}), b"ctts"), (timed(UNEVEN, MS, "libx264"), b"stts")],
)
def test_frames_that_an_absurd_time_hides_are_told(tmp_path: Path, clip: Clip, box: bytes) -> None:
    path = clip.write(tmp_path / "a.mp4")
    frames, lost = losses(flip(path, tmp_path / "b.mp4", box, 12 + 8 * 5 + 4, 4))
    assert frames < 30
    assert any("absurd" in loss.reason for loss in lost)


def test_frames_that_a_wrong_place_makes_unreachable_are_told(whole: Path, tmp_path: Path) -> None:
    path = Clip("mjpeg", "yuvj420p", frames=12, audio=True).write(tmp_path / "a.mov")
    data = path.read_bytes()
    video = data.index(b"stco")
    place = data.rindex(b"stco") if data.index(b"vmhd") > video else video
    bad = bytearray(data)
    bad[place + 12 + 4 * 5] ^= 1 << 6
    (tmp_path / "b.mov").write_bytes(bad)
    frames, lost = losses(tmp_path / "b.mov")
    assert sum(loss.packets for loss in lost) >= 12 - frames > 0


def test_pictures_of_mpeg2_before_the_first_key_frame_are_told(tmp_path: Path) -> None:
    data = Clip("mpeg2video", frames=20, options={"g": "5"}).write(tmp_path / "a.ts").read_bytes()
    (tmp_path / "b.ts").write_bytes(data[: 3 * TS_BYTES] + data[4 * TS_BYTES :])
    frames, lost = losses(tmp_path / "b.ts")
    assert (frames, [loss.packets for loss in lost]) == (15, [4])


@pytest.mark.parametrize("name", ["a.nut", "a.mp4", "a.mkv"])
def test_picture_of_mpeg4_that_seems_not_coded_is_told(tmp_path: Path, name: str) -> None:
    data = bytearray(
        Clip("mpeg4", frames=30, grain=12, options={"g": "10"}).write(tmp_path / name).read_bytes()
    )
    place = [at for at in range(len(data)) if data.startswith(b"\0\0\1\xb6", at)][15]
    data[place + 4 : place + 16] = bytes(12)
    (tmp_path / name).write_bytes(data)
    frames, lost = losses(tmp_path / name)
    assert frames == 29
    assert lost


@pytest.mark.parametrize(
    ("name", "clip"),
    {
        "plain.mp4": Clip(),
        "index_first.mov": Clip(muxer_options={"movflags": "faststart"}),
        "fragments.mp4": SOUND["fragments.mp4"],
        "wmv2.wmv": Clip("wmv2", muxer="asf"),
    }.items(),
)
def test_file_that_is_joined_on_and_not_read_is_told(tmp_path: Path, name: str, clip: Clip) -> None:
    path = clip.write(tmp_path / name)
    path.write_bytes(path.read_bytes() * 2)
    frames, lost = losses(path)
    assert frames < 48
    assert any("joined on" in loss.reason for loss in lost)


@needs_log
def test_pictures_long_before_damage_are_not_marked(tmp_path: Path) -> None:
    path = Clip(frames=60, options={"g": "10"}, grain=4).write(tmp_path / "a.mkv")
    data = path.read_bytes()
    start = len(data) * 3 // 4
    for gone in range(1, 20, 3):
        bad = tmp_path / f"{gone}.mkv"
        bad.write_bytes(data[:start] + data[start + gone :])
        decoder = open_decoder(Source(bad, bad.name, "video"))
        damaged = [frame.time_s for frame in decoder if frame.damaged]
        decoder.close()
        assert min([*damaged, *(loss.time_s for loss in decoder.lost)]) > 1.2
