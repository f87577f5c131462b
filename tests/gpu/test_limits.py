"""Videos that are refused for NVDEC after the scan of their packets; no GPU is needed for that."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.gpu.limits import LARGEST_PX, refusal
from autrt.video.coded_pictures import CodedPicturesReader
from autrt.video.packet_scan import scan
from autrt_bench.inputs.barcode_clips import cut_from
from tests.support.media import Clip

HEVC = "log-level=none:bframes=2"
VP9 = {"deadline": "realtime", "cpu-used": "8", "b": "600k"}
SIZE = {"width": 192, "height": 160}


def joined(target: Path, clips: list[Clip]) -> Path:
    """Write clips of one codec one after the other into one stream of Annex B packets."""
    packets: list[Any] = []
    for clip in clips:
        part = clip.write(target.with_suffix(".part.h264"))
        packets.append(part.read_bytes())
    target.with_suffix(".h264").write_bytes(b"".join(packets))
    with av.open(str(target.with_suffix(".h264"))) as before, av.open(str(target), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        stream.time_base = Fraction(1, 25)
        for i, packet in enumerate(p for p in before.demux(video=0) if p.size):
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 25)
            after.mux(packet)
    return target


SOUND = {
    "h264.mp4": Clip(options={"bf": "2"}, **SIZE),
    "h264.ts": Clip(options={"bf": "2"}, muxer="mpegts", **SIZE),
    "hevc.mkv": Clip("libx265", options={"x265-params": f"{HEVC}:keyint=12:min-keyint=12"}, **SIZE),
    "vp9.webm": Clip("libvpx-vp9", options={**VP9, "lag-in-frames": "0"}, **SIZE),
    "vp8.webm": Clip("libvpx", options={"b": "600k"}, **SIZE),
    "mpeg4.mp4": Clip("mpeg4", options={"bf": "2", "b": "2M"}, **SIZE),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_are_taken(name: str, tmp_path: Path) -> None:
    found = scan(SOUND[name].write(tmp_path / name))
    assert refusal(found, "cuda") is None
    assert len(found.key_pts) >= 1
    assert found.pts[0] in found.key_pts


REFUSED = {
    "av1.mkv": (Clip("libsvtav1", **SIZE), "not used for av1"),
    "ten.mkv": (Clip("libx265", "yuv420p10le", options={"x265-params": HEVC}, **SIZE), "yuv420p10le"),
    "ten422.mp4": (Clip("libx264", "yuv422p10le", **SIZE), "yuv422p10le"),
    "444.mp4": (Clip("libx264", "yuv444p", **SIZE), "yuv444p"),
    "small.mkv": (Clip("libx265", options={"x265-params": HEVC}, width=128, height=128), "from 144×144"),
    "tiny.mp4": (Clip("libx264", width=32, height=32), "from 48×16 pixels on, this has 32×32"),
    "odd.webm": (Clip("libvpx-vp9", options=VP9, width=193, height=161), "is odd"),
    "superframe.webm": (Clip("libvpx-vp9", options=VP9, **SIZE), "hidden or several"),
    "ticks.mkv": (
        Clip(
            time_base=Fraction(1, 1000),
            stamps=[40 * i + (1 << 31) for i in range(24)],
            **SIZE,
        ),
        "ticks and more",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_dali_or_nvdec_cannot_do_is_refused(name: str, tmp_path: Path) -> None:
    clip, reason = REFUSED[name]
    assert reason in (refusal(scan(clip.write(tmp_path / name)), "cuda") or "")


def test_what_is_too_large_or_negative_is_refused(tmp_path: Path) -> None:
    found = scan(SOUND["h264.mp4"].write(tmp_path / "h264.mp4"))
    width, height = LARGEST_PX["h264"]
    assert "up to 4096×4096" in (refusal(replace(found, coded_size=(width, height + 16)), "cuda") or "")
    assert "negative" in (refusal(replace(found, pts=found.pts - 1), "cuda") or "")


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        (
            Clip("libx265", options={"x265-params": f"{HEVC}:keyint=12:min-keyint=12:open-gop=1"}, **SIZE),
            "cra.mkv",
        ),
        (Clip(options={"x264-params": "keyint=8:min-keyint=8:open-gop=1:bframes=2"}, **SIZE), "no_idr.mkv"),
        (Clip(options={"x264-params": "keyint=8:min-keyint=8:intra-refresh=1"}, **SIZE), "refresh.ts"),
    ],
    ids=["HEVC from a CRA", "H.264 from a recovery point", "H.264 of a rolling refresh"],
)
def test_a_start_that_is_no_fresh_one_is_refused(clip: Clip, name: str, tmp_path: Path) -> None:
    whole = clip.write(tmp_path / f"whole_{name}")
    assert refusal(scan(whole), "cuda") is None
    later = cut_from(whole, tmp_path / name, 1)
    assert "stands alone" in (refusal(scan(later), "cuda") or "")


def test_a_size_that_changes_is_refused(tmp_path: Path) -> None:
    same = joined(tmp_path / "same.mkv", [Clip(**SIZE), Clip(**SIZE)])
    assert refusal(scan(same), "cuda") is None
    other = joined(tmp_path / "other.mkv", [Clip(**SIZE), Clip(width=192, height=176)])
    assert "change" in (refusal(scan(other), "cuda") or "")


def test_a_hidden_vp8_picture_is_noticed(tmp_path: Path) -> None:
    path = SOUND["vp8.webm"].write(tmp_path / "vp8.webm")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    reader = CodedPicturesReader("vp8", b"")
    for packet in packets:
        reader.add(memoryview(packet), False)
    assert reader.facts().one_each
    reader.add(memoryview(bytes([packets[5][0] & ~0x10]) + packets[5][1:]), False)
    assert not reader.facts().one_each


def test_vp9_sizes_are_read_of_pictures_that_are_no_key_frames(tmp_path: Path) -> None:
    """Inter pictures state a size where it is not that of a picture they refer to."""
    reader = CodedPicturesReader("vp9", b"")
    bits = "1000011000" + "0" * 20 + "000" + f"{639:016b}" + f"{359:016b}"
    reader.add(memoryview(int(bits.ljust(192, "0"), 2).to_bytes(24)), False)
    assert reader.facts().one_size
    bits = bits.replace(f"{639:016b}", f"{319:016b}")
    reader.add(memoryview(int(bits.ljust(192, "0"), 2).to_bytes(24)), False)
    assert not reader.facts().one_size


@given(
    st.sampled_from(["h264", "hevc", "vp8", "vp9", "mpeg4", "mjpeg"]),
    st.binary(max_size=60),
    st.lists(st.tuples(st.binary(max_size=80), st.booleans()), max_size=5),
)
def test_any_bytes_can_be_read(codec: str, extradata: bytes, packets: list[tuple[bytes, bool]]) -> None:
    reader = CodedPicturesReader(codec, extradata)
    for packet, is_key in packets:
        reader.add(memoryview(packet), is_key)
    reader.facts()
