"""`autrt overlay`: true times, the same sound, what is drawn where, and faces that nobody knows again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from autrt.cli.overlay import command
from autrt.overlay.draw import COLOURS, Pen, draw_faces, label
from autrt.overlay.faces import FacesByFrame
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import open_results
from tests.support.media import CORNERS, Clip, corners_of, write_video
from tests.support.results import header, names_in, video_file

STEPS = [512, 512, 1024, 300, 724, 512, 3000, 512, 512, 512, 512, 512, 512, 512, 512, 512]
STAMPS = np.cumsum([0, *STEPS]).tolist()
N = len(STAMPS)


def make(folder: Path, seen: dict[int, float] | None = None, **clip) -> tuple[Path, Path]:
    """A video of irregular times with sound, and its results: a face in its top left corner."""
    options = {"frames": N, "width": 320, "height": 240, "stamps": STAMPS, "audio": True} | clip
    video = Clip(rate=Fraction(30), time_base=Fraction(1, 15360), **options).write(folder / "a.mp4")
    seen = dict.fromkeys(range(N), 0.9) if seen is None else seen
    source = SourceFacts(
        path="a.mp4", kind="video", size_bytes=video.stat().st_size, mtime_ns=2, fingerprint="f" * 64
    )
    facts = replace(header().video, width_px=320, height_px=240)
    times = np.array(STAMPS) / 15360
    return video, video_file(folder / "a.h5", {1: seen}, N, times, source=source, video=facts)


def run(*arguments) -> tuple[int, str]:
    outcome = CliRunner().invoke(command, [str(a) for a in arguments])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.output


def frames_of(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames: list[Any] = list(container.decode(video=0))
        return [float(f.pts * f.time_base) for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


def picture_of(path: Path) -> np.ndarray:
    """RGB pixels."""
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture[:, :, ::-1]


def sound_of(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        packets: list[Any] = [p for p in container.demux(audio=0) if p.size]
        return [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in packets]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_keep_their_times_and_the_sound_is_the_same(tmp_path, suffix):
    video, results = make(tmp_path)
    code, said = run(video, results, "--out", tmp_path / f"o{suffix}")
    assert (code, said) == (0, f"{N} frames in {tmp_path / f'o{suffix}'}\n")
    before, after = frames_of(video), frames_of(tmp_path / f"o{suffix}")
    assert after[0] == pytest.approx(before[0], abs=0.002)
    heard = [b for time_s, b in sound_of(video) if time_s >= 0 or suffix == ".mp4"]
    assert [b for _, b in sound_of(tmp_path / f"o{suffix}")] == heard
    for corner, colour in corners_of(after[1][3]).items():
        if corner != "top left":
            np.testing.assert_allclose(colour, CORNERS[corner], atol=12)


def test_box_landmarks_and_bars_are_drawn_on_frames_with_the_face(tmp_path):
    video, results = make(tmp_path, dict.fromkeys(range(5), 0.9), audio=False)
    assert run(video, results, "--out", tmp_path / "o", "--frames")[0] == 0
    assert names_in(tmp_path / "o")[:2] == ["000001.jpg", "000002.jpg"]
    assert len(names_in(tmp_path / "o")) == N
    first, later = (picture_of(tmp_path / "o" / n) for n in ("000001.jpg", "000010.jpg"))
    own = COLOURS[1]
    edge = first[20:40, 49:52].reshape(-1, 3).astype(int)
    assert np.abs(edge - own).sum(axis=1).min() < 60, "the box's right edge has the track's colour"
    assert np.abs(later[20:40, 49:52].reshape(-1, 3).astype(int) - own).sum(axis=1).min() > 60
    bar = first[:40, 60:160].reshape(-1, 3).astype(int)
    assert (np.abs(bar - own).sum(axis=1) < 60).sum() > 100, "the bar of an active AU has it, too"


def test_blurred_faces_are_a_few_cells_also_just_before_and_after(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    clip = Clip(rate=Fraction(30), width=320, height=240, options={"crf": "10"})
    write_video(tmp_path / "a.mp4", [noise] * 60, clip)
    size = (tmp_path / "a.mp4").stat().st_size
    source = SourceFacts(path="a.mp4", kind="video", size_bytes=size, mtime_ns=2, fingerprint="f" * 64)
    seen = dict.fromkeys([*range(20, 26), *range(30, 40)], 0.1)
    results = video_file(tmp_path / "a.h5", {0: seen}, 60, source=source)
    code, _ = run(tmp_path / "a.mp4", results, "--out", tmp_path / "o", "--frames", "--blur-faces")
    assert code == 0
    blurred = []
    for i in range(60):
        picture = picture_of(tmp_path / "o" / f"{i + 1:06}.jpg")
        blurred.append(bool(picture[2:12, 28:40].std() < 40))
        assert picture[100:150, 150:250].std() > 40, "the rest is as it was"
    assert blurred == [13 <= i <= 46 for i in range(60)]


def test_letters_lie_on_their_dark_edge():
    picture = np.full((720, 480, 3), 120, np.uint8)
    draw_faces(picture, (), 36000.0, Pen(aus=(), thresholds=(), scale=1.0, active_only=False))
    light = np.flatnonzero((picture > 200).any(axis=(0, 2)))
    dark = np.flatnonzero((picture < 60).any(axis=(0, 2)))
    assert abs(dark[0] - light[0]) <= 2
    assert abs(dark[-1] - light[-1]) <= 2


def test_odd_sizes_lose_their_last_column_and_row(tmp_path):
    video, results = make(tmp_path, width=319, height=241, pixel_format="yuv444p", audio=False)
    assert run(video, results, "--out", tmp_path / "o.mp4")[0] == 0
    assert frames_of(tmp_path / "o.mp4")[1][0].shape == (240, 318, 3)


def test_sound_can_be_left_out(tmp_path):
    video, results = make(tmp_path)
    assert run(video, results, "--out", tmp_path / "o.mp4", "--no-sound")[0] == 0
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert not container.streams.audio


def test_wrong_inputs_are_refused_and_nothing_is_left(tmp_path):
    video, results = make(tmp_path)
    (tmp_path / "other.mp4").write_bytes(video.read_bytes() + b"\0")
    (tmp_path / "same.mp4").symlink_to(video)
    before = video.read_bytes()
    for arguments, said in [
        ((tmp_path / "other.mp4", results, "--out", tmp_path / "o.mp4"), "not the video of these results"),
        ((video, results, "--out", tmp_path / "o.avi"), "ends in .mp4"),
        ((video, results, "--out", tmp_path, "--frames"), "exists"),
        ((video, results, "--out", video), "the one that is to be drawn on"),
        ((video, results, "--out", tmp_path / "same.mp4"), "the one that is to be drawn on"),
    ]:
        outcome = CliRunner().invoke(command, [str(a) for a in arguments])
        assert outcome.exit_code != 0
        assert said in str(outcome.exception)
    assert names_in(tmp_path) == ["a.h5", "a.mp4", "other.mp4", "same.mp4"]
    assert video.read_bytes() == before


def test_faces_are_named_by_person_where_it_is_known(tmp_path):
    seen = {0: {0: 0.9}, 1: {0: 0.9, 1: 0.9}, 2: {2: 0.9}}
    person = np.array([0, 1, -1], np.int32)
    path = video_file(tmp_path / "a.h5", seen, 3, person=person, quality=[1, 0.5, 0.25, 0])
    with open_results(path) as results:
        faces = FacesByFrame(results, [0])
    texts = [label(face) for index in range(3) for face in faces.at(index)]
    assert texts[1:] == [
        "person 1, track 1, quality 0.50",
        "person 1, track 1, quality 0.25",
        "track 2, quality 0.00",
    ]
    with open_results(video_file(tmp_path / "b.h5", {0: {0: 0.9}}, 1)) as results:
        assert [label(face) for face in FacesByFrame(results, [0]).at(0)] == ["track 0"]
