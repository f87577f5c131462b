"""How long videos last, by their heads alone, looked up beside the work."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import pytest

from autrt.run.durations import MOST, DurationSurvey
from autrt.types import Source
from autrt.video.open import open_decoder
from autrt.video.probe import STILL_S, length_of, stated_length_s
from tests.support.media import Clip, scene, write_picture


def source(path: Path, kind="video") -> Source:
    return Source(path, path.name, kind)


def both(path: Path, kind="video") -> tuple[float | None, float | None]:
    """By the head, and by what a decoder knows before its first frame."""
    decoder = open_decoder(source(path, kind), image_rate=Fraction(10))
    decoder.close()
    return stated_length_s(source(path, kind), Fraction(10)), length_of(decoder.info)


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.avi"])
def test_length_is_what_a_video_states(name: str, tmp_path: Path) -> None:
    path = Clip("mpeg4", frames=50, rate=Fraction(25), grain=8).write(tmp_path / name)
    assert both(path) == (pytest.approx(2, abs=0.05), pytest.approx(2, abs=0.05))


def test_length_of_a_live_recording_is_unknown(tmp_path: Path) -> None:
    clip = Clip("libvpx", muxer="webm", muxer_options={"live": "1"}, options={"deadline": "realtime"})
    assert both(clip.write(tmp_path / "live.webm")) == (None, None)


def test_length_of_months_in_a_tiny_file_is_not_believed(tmp_path: Path) -> None:
    clip = Clip("mpeg4", time_base=Fraction(1, 1000), stamps=[3_600_000 * i for i in range(24)])
    assert both(clip.write(tmp_path / "x.mkv")) == (None, None)


def test_length_of_pictures_follows_their_number(tmp_path: Path) -> None:
    for i in range(1, 6):
        write_picture(tmp_path / f"{i:05}.png", scene(i))
    assert both(tmp_path, "images") == (0.5, 0.5)
    assert both(tmp_path / "00001.png", "still") == (STILL_S, STILL_S)


class Told:
    """Collects what a survey tells."""

    def __init__(self) -> None:
        self.lengths: dict[str, float | None] = {}
        self.enough = threading.Event()
        self.want = 1

    def __call__(self, source: Source, length_s: float | None) -> None:
        self.lengths[source.relative] = length_s
        if len(self.lengths) >= self.want:
            self.enough.set()


def test_survey_reads_nothing_before_the_first_frame(tmp_path: Path) -> None:
    good = Clip("mpeg4", frames=50, grain=8).write(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_text("no video")
    told = Told()
    told.want = 3
    survey = DurationSurvey(
        [source(good), source(tmp_path / "bad.mp4"), source(tmp_path / "gone.mp4")], Fraction(30), told
    )
    assert not told.enough.wait(0.1)
    assert told.lengths == {}
    survey.begin()
    assert told.enough.wait(30)
    survey.close()
    assert told.lengths == {"good.mp4": pytest.approx(2), "bad.mp4": None, "gone.mp4": None}


def test_survey_reads_a_sample_of_very_many_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autrt.run.durations.AT_ONCE", 10 * MOST)
    monkeypatch.setattr("autrt.run.durations.stated_length_s", lambda source, rate: 1.0)
    told = Told()
    told.want = MOST
    survey = DurationSurvey([source(Path(f"{i}.mp4")) for i in range(10 * MOST)], Fraction(30), told)
    survey.begin()
    assert told.enough.wait(30)
    survey.close()
    assert len(told.lengths) == MOST
    assert max(int(name[:-4]) for name in told.lengths) > 9 * MOST


def test_survey_closed_before_it_begins_ends(tmp_path: Path) -> None:
    told = Told()
    DurationSurvey([source(tmp_path / "x.mp4")], Fraction(30), told).close()
    assert told.lengths == {}
    assert "survey" not in {thread.name for thread in threading.enumerate()}
