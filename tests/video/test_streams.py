"""Files with several video streams: which one is taken, and what is said of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from autrt.errors import VideoError
from autrt.run.notes import video_note
from autrt.types import Source
from autrt.video.open import open_decoder
from autrt.video.pyav import PyavDecoder
from tests.support.containers import FIRST_PID, pid_of, ts_packets, with_box_field, without_pid, write_streams
from tests.support.media import Clip

PICTURE = Clip(frames=1, width=192, height=128)
FILM = Clip(frames=20)


def decoded(path: Path) -> tuple[PyavDecoder, int]:
    decoder = open_decoder(Source(path, path.name, "video"))
    count = sum(1 for _ in decoder)
    decoder.close()
    assert isinstance(decoder, PyavDecoder)
    return decoder, count


def note(decoder: PyavDecoder, frames: int) -> str:
    return video_note(decoder, frames, decoder.lost, 0)


def test_stream_without_a_packet_gives_way(tmp_path: Path) -> None:
    both = write_streams(tmp_path / "both.ts", FILM, FILM)
    decoder, count = decoded(without_pid(both, tmp_path / "one.ts"))
    assert count == 20
    assert (decoder.info.stream_index, decoder.info.other_streams) == (1, (0,))
    assert note(decoder, count) == "several video streams: took stream 1, not 0"
    assert not decoder.lost


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.ts"])
@pytest.mark.parametrize("clips", [(PICTURE, FILM), (FILM, PICTURE)])
def test_film_comes_before_a_picture(name: str, clips: tuple[Clip, Clip], tmp_path: Path) -> None:
    decoder, count = decoded(write_streams(tmp_path / name, *clips))
    assert count == 20
    assert decoder.info.stream_index == clips.index(FILM)


def test_larger_picture_comes_first_unless_it_has_few_frames(tmp_path: Path) -> None:
    preview, large = Clip(frames=20, width=64, height=48), Clip(frames=18)
    assert decoded(write_streams(tmp_path / "sizes.ts", preview, large))[0].info.stream_index == 1
    slides = Clip(frames=4, rate=Fraction(5), width=192, height=128)
    assert decoded(write_streams(tmp_path / "slides.ts", slides, FILM))[0].info.stream_index == 1


@pytest.mark.parametrize("name", ["x.mp4", "x.ts"])
def test_equal_streams_are_taken_in_order(name: str, tmp_path: Path) -> None:
    assert decoded(write_streams(tmp_path / name, FILM, FILM))[0].info.stream_index == 0


def test_default_stream_comes_before_a_larger_one(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "x.mp4", FILM, Clip(frames=20, width=192, height=128))
    assert decoded(path)[0].info.stream_index == 0


def test_stream_that_cannot_be_decoded_gives_way_to_the_next(tmp_path: Path) -> None:
    first = Clip(frames=20, width=192, height=128)
    path = write_streams(tmp_path / "both.ts", first, FILM)
    packets = ts_packets(path)
    spoilt = [p[:20] + bytes(168) if pid_of(p) == FIRST_PID and not p[1] & 0x40 else p for p in packets]
    spoilt = [p[:60] + bytes(128) if pid_of(p) == FIRST_PID and p[1] & 0x40 else p for p in spoilt]
    path.write_bytes(b"".join(spoilt))
    decoder, count = decoded(path)
    assert (count, decoder.info.stream_index) == (20, 1)
    path.write_bytes(b"".join(p for p in spoilt if pid_of(p) != FIRST_PID + 1))
    with pytest.raises(VideoError, match="not one frame"):
        open_decoder(Source(path, path.name, "video"))


def test_single_stream_needs_no_note(tmp_path: Path) -> None:
    decoder, count = decoded(Clip().write(tmp_path / "x.mp4"))
    assert (decoder.info.stream_index, decoder.info.other_streams) == (0, ())
    assert note(decoder, count) == ""


@pytest.mark.parametrize("duration", [0, 1])
def test_edit_list_that_hides_everything_is_ignored(duration: int, tmp_path: Path) -> None:
    path = Clip(frames=20).write(tmp_path / "x.mp4")
    decoder, count = decoded(with_box_field(path, b"elst", 8, duration.to_bytes(4)))
    assert count == 20
    assert note(decoder, count) == "its edit list, which would hide frames, was ignored"


def test_edit_list_that_cuts_is_kept(tmp_path: Path) -> None:
    path = Clip(frames=60, options={"g": "60", "bf": "0"}).write(tmp_path / "x.mp4")
    with_box_field(path, b"elst", 8, (200).to_bytes(4))  # 0.2 s …
    decoder, count = decoded(with_box_field(path, b"elst", 12, (40 * 512).to_bytes(4)))  # … from frame 40 on
    assert (count, note(decoder, count)) == (5, "")
