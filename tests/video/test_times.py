"""Presentation times: correct, repaired where necessary, always increasing."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.types import Decoder, Source
from autrt.video.loss_log import LossLog
from autrt.video.open import open_decoder
from autrt.video.timing import stamps_usable
from tests.support.containers import without_default_duration, without_first_packet, without_first_stamps
from tests.support.media import Clip, level, middle_of, scene


def times_of(path: Path) -> tuple[list[float], Decoder]:
    decoder = open_decoder(Source(path, path.name, "video"))
    times = [frame.time_s for frame in decoder]
    decoder.close()
    return times, decoder


def test_variable_frame_rate(tmp_path: Path) -> None:
    stamps = [0, 33, 50, 400, 401, 900, 2900]
    clip = Clip(frames=len(stamps), time_base=Fraction(1, 1000), stamps=stamps, options={"bf": "2"})
    times, decoder = times_of(clip.write(tmp_path / "vfr.mkv"))
    assert times == pytest.approx([stamp / 1000 for stamp in stamps], abs=1e-6)
    assert decoder.repaired_times == 0
    assert not decoder.lost


def test_times_count_from_the_containers_start(tmp_path: Path) -> None:
    clip = Clip(
        frames=10, time_base=Fraction(1, 1000), stamps=[7000 + 40 * i for i in range(10)], audio=False
    )
    times, decoder = times_of(clip.write(tmp_path / "late.ts"))
    assert times == pytest.approx([0.04 * i for i in range(10)], abs=1e-6)
    assert decoder.info.start_s == pytest.approx(7, abs=2)  # MPEG-TS adds a delay of its own


def test_times_count_from_a_frame_before_the_containers_start(tmp_path: Path) -> None:
    """A recording that lacks its first key frame begins with a packet that is shown after the next ones."""
    options = {"bf": "2", "x264-params": "open-gop=1:keyint=8:min-keyint=8:scenecut=0:b-adapt=0"}
    whole = Clip(frames=24, options=options).write(tmp_path / "whole.ts")
    path = without_first_packet(whole, tmp_path / "cut.ts")
    times, decoder = times_of(path)
    assert len(times) == 23
    assert times == pytest.approx([0.04 * i for i in range(len(times))], abs=1e-6)
    with av.open(str(whole)) as container:
        first = min(packet.pts for packet in [*container.demux(video=0)][1:] if packet.pts is not None)
    assert decoder.info.start_s == pytest.approx(first / 90_000)


def test_video_that_begins_after_its_sound(tmp_path: Path) -> None:
    clip = Clip(frames=10, time_base=Fraction(1, 1000), stamps=[400 + 40 * i for i in range(10)], audio=True)
    times, decoder = times_of(clip.write(tmp_path / "late.mkv"))
    assert times == pytest.approx([0.4 + 0.04 * i for i in range(10)], abs=0.03)
    assert decoder.info.start_s == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("bare.h264", "libx264", Fraction(25)),
        ("bare.h264", "libx264", Fraction(30_000, 1001)),
        ("bare.hevc", "libx265", Fraction(24_000, 1001)),
        ("bare.m4v", "mpeg4", Fraction(30)),
        ("bare.m2v", "mpeg2video", Fraction(30_000, 1001)),
    ],
)
def test_stream_without_stamps_is_timed_by_its_rate(
    name: str, codec: str, rate: Fraction, tmp_path: Path
) -> None:
    muxer = {"m2v": "mpeg2video"}.get(name[5:], name[5:])
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = Clip(codec, rate=rate, muxer=muxer, options={"bf": "2"} | quiet).write(tmp_path / name)
    assert_timed_by(rate, "rate", path)


@pytest.mark.parametrize("codec", ["libx265", "mjpeg"])
def test_stream_without_stamps_and_rate_gets_an_assumed_rate(codec: str, tmp_path: Path) -> None:
    silent = {"x265-params": "no-vui-timing-info=1:log-level=none"}
    clip = (
        Clip(codec, rate=Fraction(30), muxer="hevc", options=silent)
        if codec == "libx265"
        else Clip(codec, "yuvj420p", rate=Fraction(30), muxer="mjpeg")
    )
    assert_timed_by(Fraction(25), "assumed rate", clip.write(tmp_path / "bare"))


def _all_zero(packet: Any, number: int) -> None:
    packet.pts = packet.dts = 0


def _all_alike(packet: Any, number: int) -> None:
    packet.pts = packet.dts = 40


def _frames_for_ticks(packet: Any, number: int) -> None:
    packet.time_base = Fraction(1, 90_000)
    packet.pts = packet.dts = number


def _hours_apart(packet: Any, number: int) -> None:
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = number * 7_200_000


def _ages_apart(packet: Any, number: int) -> None:
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = number * 10**12


@pytest.mark.parametrize(
    ("stamped", "name"),
    [
        *((_all_zero, f"x.{ext}") for ext in ("mkv", "mp4", "mov", "flv", "ts", "nut", "asf")),
        *((_all_alike, f"x.{ext}") for ext in ("mkv", "flv")),
        (_frames_for_ticks, "x.ts"),
        (_hours_apart, "x.mkv"),
        (_ages_apart, "x.mkv"),
        (_ages_apart, "x.nut"),
    ],
)
def test_unusable_stamps_give_way_to_the_rate(stamped: Any, name: str, tmp_path: Path) -> None:
    codec = "flv1" if name.endswith("flv") else "libx264"
    options = {} if codec == "flv1" else {"bf": "0"}
    path = Clip(codec, edit_packet=stamped, options=options).write(tmp_path / name)
    assert_timed_by(Fraction(25), None, path)


def test_backward_stamps_give_way_to_the_rate(tmp_path: Path) -> None:
    data = bytearray(Clip("flv1").write(tmp_path / "x.flv").read_bytes())
    at, number = 13, 0
    while at < len(data):  # tags: kind, size (3 bytes), time in ms (3 bytes), …
        size = int.from_bytes(data[at + 1 : at + 4])
        if data[at] == 9:
            data[at + 4 : at + 7] = (10_000 - 40 * number).to_bytes(3)
            number += 1
        at += 11 + size + 4
    (tmp_path / "back.flv").write_bytes(data)
    assert_timed_by(Fraction(25), "rate", tmp_path / "back.flv")


def test_stream_with_a_single_stamp_is_timed_by_its_rate(tmp_path: Path) -> None:
    clip = Clip(muxer="vob", rate=Fraction(30), options={"bf": "2"})
    assert_timed_by(Fraction(30), "rate", clip.write(tmp_path / "x.vob"))


def test_one_frame_needs_no_stamps(tmp_path: Path) -> None:
    times, decoder = times_of(Clip(frames=1).write(tmp_path / "one.mkv"))
    assert (times, decoder.info.times_from) == ([0.0], "stamps")


def assert_timed_by(rate: Fraction, source: str | None, path: Path) -> None:
    decoder = open_decoder(Source(path, path.name, "video"))
    frames = list(decoder)
    decoder.close()
    assert len(frames) == 24
    assert [frame.time_s for frame in frames] == [float(i / rate) for i in range(24)]
    assert [frame.pts for frame in frames] == list(range(24))
    assert (decoder.info.rate, decoder.info.time_base) == (rate, 1 / rate)
    assert decoder.info.times_from in ((source,) if source else ("rate", "assumed rate"))
    assert decoder.repaired_times == 24
    assert not decoder.lost


@given(
    rate=st.fractions(Fraction(1, 200), 999),
    depth=st.integers(0, 4),
    frames=st.integers(2, 40),
    start=st.integers(-(10**6), 10**9),
    gaps=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_stamps_of_an_intact_stream_are_usable(
    rate: Fraction, depth: int, frames: int, start: int, gaps: list[bool]
) -> None:
    stored = _with_pyramids(frames, depth)
    base = Fraction(1, 10**9)
    stamps = [None if gaps[i] and i > 1 else start + round(n / rate / base) for i, n in enumerate(stored)]
    assert stamps_usable(stamps, base)


def _with_pyramids(frames: int, depth: int) -> list[int]:
    """Return frame numbers in stored order: each mini-GOP of 2^depth begins with its last frame."""
    order, size = [0], 2**depth

    def halve(low: int, high: int) -> None:
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            halve(low, middle)
            halve(middle, high)

    for low in range(0, frames - 1, size):
        high = min(low + size, frames - 1)
        order.append(high)
        halve(low, high)
    return order


@given(st.lists(st.integers(0, 10**12), min_size=2), st.data())
def test_stamps_that_never_increase_are_unusable(stamps: list[int], data: st.DataObject) -> None:
    falling: list[int | None] = [*sorted(stamps, reverse=True)]
    for i in data.draw(st.sets(st.integers(0, len(stamps) - 1))):
        falling[i] = None
    assert not stamps_usable(falling, Fraction(1, 1000))


def _joined(tmp_path: Path, name: str, second: Clip) -> Path:
    """Join two transport streams, of which the second restarts its time stamps."""
    Clip(frames=30, codec="mpeg2video").write(tmp_path / "first.ts")
    second.write(tmp_path / "second.ts")
    path = tmp_path / name
    path.write_bytes((tmp_path / "first.ts").read_bytes() + (tmp_path / "second.ts").read_bytes())
    return path


@pytest.mark.parametrize("b_frames", [0, 2])
def test_joined_stream_loses_nothing(b_frames: int, tmp_path: Path) -> None:
    part = Clip(frames=60, rate=Fraction(30), options={"bf": str(b_frames)}).write(tmp_path / "part.ts")
    (tmp_path / "looped.ts").write_bytes(part.read_bytes() * 3)
    times, decoder = times_of(tmp_path / "looped.ts")
    assert times == pytest.approx([i / 30 for i in range(180)], abs=1e-6)
    assert not decoder.lost


def test_part_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    part = Clip("flv", frames=40, grain=12).write(tmp_path / "part.flv")
    assert not times_of(part)[1].lost
    (tmp_path / "joined.flv").write_bytes(part.read_bytes() * 2)
    times, decoder = times_of(tmp_path / "joined.flv")
    assert len(times) == 40
    assert ["another file may have been joined" in loss.reason for loss in decoder.lost] == [True]


def test_short_parts_of_a_joined_stream_keep_their_distances(tmp_path: Path) -> None:
    part = Clip(frames=20, options={"bf": "0"}).write(tmp_path / "part.ts")  # 0.8 s
    (tmp_path / "looped.ts").write_bytes(part.read_bytes() * 4)
    times, decoder = times_of(tmp_path / "looped.ts")
    assert times == pytest.approx([i / 25 for i in range(80)], abs=1e-6)
    assert not decoder.lost


@pytest.mark.parametrize(("missing", "b_frames"), [(1, 0), (10, 0), (10, 2), (100, 0)])
def test_first_frames_without_stamps_are_one_frame_apart(missing: int, b_frames: int, tmp_path: Path) -> None:
    clip = Clip(frames=120, rate=Fraction(30), options={"bf": str(b_frames)})
    path = without_first_stamps(clip.write(tmp_path / "all.ts"), tmp_path / "late.ts", missing)
    times, decoder = times_of(path)
    assert times == pytest.approx([i / 30 for i in range(120)], abs=1e-6)
    assert 0 < decoder.repaired_times <= missing
    assert decoder.info.times_from == "stamps"
    assert not decoder.lost


def test_first_stamp_alone_may_be_wrong(tmp_path: Path) -> None:
    def late(packet: Any, number: int) -> None:
        packet.pts = 40 * number + (30_000 if number == 0 else 0)

    clip = Clip(
        "mjpeg", "yuvj420p", 10, time_base=Fraction(1, 1000), stamps=range(0, 400, 40), edit_packet=late
    )
    times, decoder = times_of(clip.write(tmp_path / "late.mkv"))
    assert np.diff(times) == pytest.approx([0.04] * 9)
    assert decoder.info.times_from == "stamps"


def _recorded(path: Path, steps_ms: list[int]) -> Path:
    """Write a WebM as browsers record it: it states no rate, and times vary."""
    stamps = [0, *accumulate(steps_ms)]
    clip = Clip("libvpx", frames=len(stamps), time_base=Fraction(1, 1000), stamps=stamps)
    return without_default_duration(clip.write(path))


def test_rate_is_measured_where_none_is_stated(tmp_path: Path) -> None:
    with av.open(str(_recorded(tmp_path / "x.webm", [35, 33, 50, 50, 66, 31, 34] * 10))) as container:
        assert (container.streams.video[0].average_rate, container.streams.video[0].guessed_rate) == (
            None,
            1000,
        )
    times, decoder = times_of(tmp_path / "x.webm")
    assert float(decoder.info.rate) == pytest.approx(1 / np.mean(np.diff(times)), rel=0.05)
    _, paused = times_of(_recorded(tmp_path / "paused.webm", [33, 33, 34] * 5 + [9000] + [33, 33, 34] * 5))
    assert float(paused.info.rate) == pytest.approx(30, rel=0.01)


def test_rate_that_stamps_contradict_is_measured(tmp_path: Path) -> None:
    path = Clip("libvpx", frames=40).write(tmp_path / "x.webm")
    data = bytearray(path.read_bytes())
    at = data.index(b"\x23\xe3\x83\x84") + 4
    data[at : at + 4] = (1_000_000).to_bytes(4)  # nanoseconds a frame: 1000 frames/s
    path.write_bytes(data)
    assert times_of(path)[1].info.rate == 25


def test_stamps_that_go_back(tmp_path: Path) -> None:
    times, decoder = times_of(_joined(tmp_path, "joined.ts", Clip(frames=20, codec="mpeg2video")))
    assert len(times) >= 48  # the parser may swallow a picture at the seam
    assert np.all(np.diff(times) > 0)
    steps = np.diff(times)
    assert np.median(steps) == pytest.approx(0.04, abs=1e-6)
    assert times[-1] < 30 * 0.04 + 21 * 0.04
    assert decoder.repaired_times >= 18


def test_one_stamp_that_jumps_ahead(tmp_path: Path) -> None:
    def jump(packet: Any, number: int) -> None:
        packet.pts += 70 if number == 5 else 0  # milliseconds; the next frame is due 40 later

    clip = Clip(
        "mjpeg", "yuvj420p", 10, time_base=Fraction(1, 1000), stamps=range(0, 400, 40), edit_packet=jump
    )
    times, decoder = times_of(clip.write(tmp_path / "jump.mkv"))
    wanted = [0, 0.04, 0.08, 0.12, 0.16, 0.27, 0.28, 0.29, 0.32, 0.36]
    assert times == pytest.approx(wanted, abs=0.02)
    assert np.all(np.diff(times) > 0)
    assert times[-2:] == pytest.approx(wanted[-2:], abs=1e-6)  # true again
    assert decoder.repaired_times == 2


@pytest.mark.parametrize(("codec", "b_frames"), [("mpeg4", 0), ("mpeg4", 2), ("libx264", 0), ("libx264", 3)])
def test_avi_has_frame_numbers_for_times(codec: str, b_frames: int, tmp_path: Path) -> None:
    path = Clip(codec, options={"bf": str(b_frames)}).write(tmp_path / "in.avi")
    times, decoder = times_of(path)
    assert times == pytest.approx([i / 25 for i in range(24)], abs=1e-6)
    # The last ones come out after the last packet, which leaves them without a number.
    assert decoder.repaired_times <= b_frames
    assert not decoder.lost


def test_avi_that_begins_with_damage(tmp_path: Path) -> None:
    data = bytearray(Clip("mjpeg", "yuvj420p").write(tmp_path / "in.avi").read_bytes())
    first = data.index(b"00dc", data.index(b"movi")) + 8
    data[first : first + 300] = bytes(300)
    (tmp_path / "bad.avi").write_bytes(data)
    times, decoder = times_of(tmp_path / "bad.avi")
    assert times == pytest.approx([i / 25 for i in range(24 - len(times), 24)], abs=1e-6)
    assert len(times) == 23
    assert decoder.lost


@pytest.mark.parametrize("codec", ["mjpeg", "libx264"])
def test_size_changes_in_mid_stream(codec: str, tmp_path: Path) -> None:
    small = Clip(codec, "yuv420p" if codec == "libx264" else "yuvj420p", frames=10, muxer="mpegts")
    large = Clip(codec, small.pixel_format, frames=10, width=192, height=128, muxer="mpegts")
    if codec == "mjpeg":
        path = tmp_path / "sizes.mjpeg"
        with path.open("wb") as file:
            for clip in (small, large):
                for i in range(10):
                    file.write(_jpeg(scene(i, clip.width, clip.height)))
    else:
        path = tmp_path / "sizes.ts"
        parts = [clip.write(tmp_path / f"{clip.width}.ts").read_bytes() for clip in (small, large)]
        path.write_bytes(b"".join(parts))
    decoder = open_decoder(Source(path, path.name, "video"))
    frames = list(decoder)
    decoder.close()
    assert len(frames) >= 19
    assert {(f.image.width, f.image.height) for f in frames} == {(96, 64)}
    for frame in frames:
        assert frame.image.rgb().shape == (64, 96, 3)
    np.testing.assert_allclose(
        [middle_of(f.image.rgb()) for f in frames[-9:]], [level(i) for i in range(1, 10)], atol=10
    )
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))


def _jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()


def test_pixel_aspect_of_the_upright_picture(tmp_path: Path) -> None:
    wide = Clip(frames=2, pixel_aspect=Fraction(4, 3)).write(tmp_path / "wide.mp4")
    turned = Clip(frames=2, pixel_aspect=Fraction(4, 3), rotation=(90,)).write(tmp_path / "turned.mp4")
    plain = Clip(frames=2).write(tmp_path / "plain.mp4")
    aspects = [open_decoder(Source(p, p.name, "video")).info.pixel_aspect for p in (wide, turned, plain)]
    assert aspects == [Fraction(4, 3), Fraction(3, 4), Fraction(1)]


def test_losses_in_a_row_become_one() -> None:
    losses = LossLog()
    for i in range(100):
        losses.add(10 + i / 25, "bad")
    losses.add(3, "other", 0)
    losses.add(60, "bad", 2)
    told = [(loss.time_s, loss.packets, loss.reason) for loss in losses.entries]
    assert told == [(3, 0, "other"), (10, 100, "bad"), (60, 2, "bad")]


@given(st.lists(st.tuples(st.floats(-10, 1000), st.sampled_from("ab"), st.integers(0, 5))))
def test_losses_add_up(faults: list[tuple[float, str, int]]) -> None:
    losses = LossLog()
    for time_s, reason, packets in faults:
        losses.add(time_s, reason, packets)
    assert sum(loss.packets for loss in losses.entries) == sum(packets for _, _, packets in faults)
    times = [loss.time_s for loss in losses.entries]
    assert times == sorted(times)
    assert {loss.reason for loss in losses.entries} == {reason for _, reason, _ in faults}
