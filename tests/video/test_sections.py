"""Sections of a long video: decoded from a key frame within it on, they hold the very frames of the whole."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autrt.video.packet_scan import IrregularFileError, scan
from autrt.video.pyav import PyavDecoder
from autrt.video.section_decoder import SectionDecoder
from autrt.video.sections import Section, entry_before, sections_of
from tests.support.media import Clip

GOPS = "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-pyramid=normal"
LOOK = {"frames": 60, "width": 192, "height": 160, "grain": 12}

CLIPS = {
    "closed.mp4": Clip(options={"x264-params": GOPS}, **LOOK),
    "varying.mkv": Clip(
        options={"x264-params": GOPS},
        time_base=Fraction(1, 1000),
        stamps=[i * 33 + (i * i) % 17 for i in range(60)],
        **LOOK,
    ),
    "hevc-open.mkv": Clip("libx265", options={"x265-params": f"log-level=none:{GOPS}:open-gop=1"}, **LOOK),
    "hevc-open.mp4": Clip("libx265", options={"x265-params": f"log-level=none:{GOPS}:open-gop=1"}, **LOOK),
    "vp8.webm": Clip("libvpx", options={"g": "12"}, **LOOK),
    "vp9.webm": Clip("libvpx-vp9", options={"g": "12"}, **LOOK),
    "mpeg4.mp4": Clip("mpeg4", options={"g": "12", "bf": "2"}, **LOOK),
    "mpeg2.mkv": Clip("mpeg2video", options={"g": "12", "bf": "2"}, **LOOK),
    "stream.ts": Clip(options={"x264-params": GOPS}, muxer="mpegts", **LOOK),
    "every-one.mov": Clip("mjpeg", "yuvj420p", **LOOK),
}


def frames_of(decoder) -> list[tuple]:
    found = [(f.index, f.pts, f.time_s, f.damaged, f.image.rgb()) for f in decoder]
    decoder.close()
    return found


@pytest.mark.parametrize("name", CLIPS)
def test_frames_from_every_entry_on_are_those_of_the_whole(name: str, tmp_path: Path) -> None:
    path = CLIPS[name].write(tmp_path / name)
    facts, whole = scan(path), frames_of(PyavDecoder(path))
    entries = np.searchsorted(facts.pts, facts.entry_pts).tolist()
    assert entries[0] == 0
    assert len(entries) > 3
    for entry in entries[::2]:
        decoder = SectionDecoder(facts, entry)
        assert decoder.info == facts.info == PyavDecoder(path).info
        found = frames_of(decoder)
        assert [f[:4] for f in found] == [f[:4] for f in whole[entry:]]
        assert all(np.array_equal(a[4], b[4]) for a, b in zip(found, whole[entry:], strict=True))


def test_open_groups_of_h264_are_no_entries(tmp_path: Path) -> None:
    clip = Clip(options={"x264-params": f"{GOPS}:open-gop=1"}, **LOOK)
    facts = scan(clip.write(tmp_path / "open.mkv"))
    assert len(facts.key_pts) > len(facts.entry_pts) == 1
    with pytest.raises(IrregularFileError, match="no key frames"):
        sections_of(facts, 0.5, warm_up_s=0.1)


def test_damage_within_a_section_is_an_error(tmp_path: Path) -> None:
    path = CLIPS["closed.mp4"].write(tmp_path / "a.mp4")
    facts = scan(path)
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 2, len(data) * 3 // 4, 200):
        data[at] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(IrregularFileError, match=r"damage|decoded"):
        frames_of(SectionDecoder(facts, 12))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length_s=st.floats(0.2, 3), warm_up_s=st.floats(0, 0.6))
def test_sections_hold_every_frame_once_and_begin_after_their_warm_up(
    length_s: float, warm_up_s: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    facts = scan(path if path.exists() else CLIPS["closed.mp4"].write(path))
    try:
        sections = sections_of(facts, length_s, warm_up_s)
    except IrregularFileError:
        assert warm_up_s > 0.4 or length_s > 0.9
        return
    rows = [row for s in sections for row in range(s.first_row, s.end_row)]
    assert rows == list(range(60))
    for before, section in pairwise(sections):
        assert facts.pts[section.entry_row] in facts.entry_pts
        assert before.first_row <= section.entry_row <= section.first_row
        assert facts.time_s[section.first_row] >= facts.time_s[section.entry_row] + warm_up_s


def test_a_short_video_is_one_section(tmp_path: Path) -> None:
    facts = scan(CLIPS["closed.mp4"].write(tmp_path / "a.mp4"))
    assert sections_of(facts, 10) == [Section(0, 0, 60)]
    assert [entry_before(facts, row, 0.1) for row in (0, 13, 30, 59)] == [0, 0, 24, 48]
