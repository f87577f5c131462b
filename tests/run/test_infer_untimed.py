"""Videos without usable time stamps: their results say so, and so is their user told."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np
import pytest

from autrt import open_results
from autrt.results.verification.verify import verify
from autrt.run.notes import timing_note
from autrt.types import Source
from autrt.video.open import open_decoder
from tests.support.command import autrt, manifest
from tests.support.fetched import fetched
from tests.support.media import Clip, scene, write_picture
from tests.support.results import results_file

NOTE = "no usable timestamps: times are by the stream's rate of 30 frames/s"


def bare(clip: Path, to: Path) -> Path:
    """The H.264 stream of a clip, without its container."""
    with av.open(str(clip)) as whole, av.open(str(to), "w", format="h264") as out:
        stream = whole.streams.video[0]
        copy = out.add_stream_from_template(stream)
        annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in whole.demux(stream):
            for filtered in annex_b.filter(packet if packet.size else None):
                filtered.stream = copy
                out.mux(filtered)
    return to


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A bare real stream through the command: the output folder and what was told."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("untimed")
    path = bare(fetched("clip-smile"), folder / "smile.h264")
    done = autrt("infer", path, "--out", folder / "out", "--progress", "json")
    assert done.returncode == 0, done.stderr
    return folder / "out", [json.loads(line) for line in done.stdout.splitlines()]


def test_results_say_that_times_are_by_the_rate(run):
    out, _ = run
    assert verify(out / "smile.h264.h5") == []
    with open_results(out / "smile.h264.h5") as results:
        assert results.header.times_from == "rate"
        assert results.header.video.rate_hz == 30
        np.testing.assert_array_equal(results.frames["time_s"], [float(Fraction(i, 30)) for i in range(72)])
        np.testing.assert_array_equal(results.frames["pts"], np.arange(72))


def test_untimed_video_is_ok_with_a_note(run):
    out, events = run
    assert manifest(out)["smile.h264"]["status"] == "ok"
    assert manifest(out)["smile.h264"]["reason"] == NOTE
    [video] = [event for event in events if event["event"] == "video"]
    assert (video["status"], video["reason"]) == ("ok", NOTE)


def test_former_files_have_times_by_stamps(tmp_path):
    path = results_file(tmp_path / "old.h5")
    with h5py.File(path, "r+") as file:
        facts = json.loads(file.attrs["header"])
        del facts["times_from"]
        file.attrs["header"] = json.dumps(facts)
    with open_results(path) as results:
        assert results.header.times_from == "stamps"


def note_of(path: Path, kind="video") -> str:
    decoder = open_decoder(Source(path, path.name, kind))
    frames = len(list(decoder))
    decoder.close()
    return timing_note(decoder.info, decoder.repaired_times, frames)


def test_timing_note_says_where_times_come_from(tmp_path):
    assert note_of(Clip().write(tmp_path / "sound.mkv")) == ""
    assert note_of(Clip("mpeg4", options={"bf": "2"}).write(tmp_path / "in.avi")) == ""  # a few set anew
    assert "assumed rate of 25 frames/s" in note_of(
        Clip("mjpeg", "yuvj420p", muxer="mjpeg").write(tmp_path / "bare.mjpeg")
    )
    Clip(frames=30, codec="mpeg2video").write(tmp_path / "first.ts")
    joined = (tmp_path / "first.ts").read_bytes() * 2
    (tmp_path / "joined.ts").write_bytes(joined)
    assert "timestamps were missing or out of order, and set anew" in note_of(tmp_path / "joined.ts")


def test_pictures_are_timed_by_image_rate_without_a_note(tmp_path):
    for i in (1, 2, 3):
        write_picture(tmp_path / f"{i:05}.png", scene(i))
    assert note_of(tmp_path, "images") == ""
    decoder = open_decoder(Source(tmp_path, "folder", "images"))
    assert decoder.info.times_from == "rate"
