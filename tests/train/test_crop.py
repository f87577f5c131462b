"""`autrt crop`: crops as the networks see them, and an index that is read back."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from autrt.errors import UsageError
from autrt.pipeline.recognise import StoppedError
from autrt.results.reader import open_results
from autrt.template import ARCFACE_112, EYE_DISTANCE_PX
from autrt.types import Source
from autrt.video.open import open_decoder
from autrt.video.pictures import read_picture
from autrt.video.planar_image import PlanarImage, Plane
from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.crop.crop_video import crop_video
from autrt_train.crop.faces import crop_face
from autrt_train.crop.index import CropSettings
from autrt_train.crop.run import refuse_nested
from tests.support.command import autrt, leftovers
from tests.support.crops import crop_of, cut_patch
from tests.support.fetched import fetched
from tests.support.media import write_picture


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A smile, nobody, a still of the smile, and something that is no video."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("clips")
    (folder / "talks").mkdir()
    shutil.copy(fetched("clip-smile"), folder / "talks" / "smile.mp4")
    shutil.copy(fetched("clip-nobody"), folder / "nobody.mp4")
    (folder / "bad.mp4").write_text("no video")
    frame = next(iter(open_decoder(Source(folder / "talks" / "smile.mp4", "smile.mp4", "video"))))
    write_picture(folder / "still.png", frame.image.rgb())
    return folder


@pytest.fixture(scope="module")
def cut(clips, tmp_path_factory) -> Path:
    """The crops of one run over all of them."""
    out = tmp_path_factory.mktemp("cut") / "out"
    done = autrt("crop", "--videos", clips, "--out", out, "--progress", "none")
    assert done.returncode == 3, done.stderr
    assert "bad.mp4" in done.stderr
    return out


def rows(out):
    return list(csv.DictReader((out / "index.csv").open()))


def test_every_frame_with_a_face_has_a_crop_and_a_row(cut):
    paths = [row["path"] for row in rows(cut)]
    assert paths == [
        "cropped_aligned/still.png.jpg",
        *(f"cropped_aligned/talks/smile.mp4/{n:05d}.jpg" for n in range(1, 73)),
    ]
    files = sorted(p.relative_to(cut).as_posix() for p in (cut / "cropped_aligned").rglob("*") if p.is_file())
    assert files == sorted(paths)
    assert leftovers(cut) == []
    assert {cv2.imread(str(cut / p)).shape for p in paths} == {(136, 136, 3)}


def test_the_index_is_read_back(cut):
    index, findings = read_data(DataSpec(kind="manifest", root=cut))
    assert findings.lines() == []
    assert (len(index), index.margin_px, index.template) == (73, 12, "arcface-112")
    assert index.video_names == ("still.png", "talks/smile.mp4")
    assert index.frame.tolist() == [1, *range(1, 73)]
    assert index.landmarks is not None
    error = np.linalg.norm(index.landmarks - ARCFACE_112, axis=2) / EYE_DISTANCE_PX
    assert error.mean() < 0.1


def test_a_crop_is_its_frame_where_the_landmarks_say(clips, cut):
    """Against OpenCV's own warp of the decoded frame."""
    with open_results(cut / "results" / "talks" / "smile.mp4.h5") as results:
        points = np.asarray(results.faces["landmarks"])[9]
    frames = list(open_decoder(Source(clips / "talks" / "smile.mp4", "smile.mp4", "video")))
    matrix, _ = cv2.estimateAffinePartial2D(points, ARCFACE_112 + 12, method=cv2.LMEDS)
    expected = cv2.warpAffine(frames[9].image.rgb(), matrix, (136, 136), flags=cv2.INTER_AREA)
    found = read_picture(cut / "cropped_aligned" / "talks" / "smile.mp4" / "00010.jpg")
    likeness = [np.corrcoef(np.roll(expected, by, 1).ravel(), found.ravel())[0, 1] for by in (-2, 0, 2)]
    assert likeness[1] > max(0.98, likeness[0], likeness[2])


def test_a_second_run_touches_no_crop(clips, cut):
    before = {p: p.stat().st_mtime_ns for p in (cut / "cropped_aligned").rglob("*")}
    index = (cut / "index.csv").read_bytes()
    done = autrt("crop", clips, "--out", cut, "--progress", "none")
    assert done.returncode == 3
    assert "3 skipped; 73 crops" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in (cut / "cropped_aligned").rglob("*")} == before
    assert (cut / "index.csv").read_bytes() == index


def test_other_settings_need_another_folder(clips, cut):
    done = autrt("crop", clips, "--out", cut, "--every", "2")
    assert done.returncode == 2
    assert "holds crops with every 1, not 2" in done.stderr


def test_earlier_results_are_used_and_every_face_has_a_folder(clips, cut, tmp_path):
    done = autrt(
        "crop", clips / "talks", "--out", tmp_path / "a", "--results", cut / "results" / "talks", "--every", "10",
        "--all-faces", "--margin-px", "0", "--progress", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # the results are of talks/smile.mp4, which is the same file
    assert [row["path"] for row in rows(tmp_path / "a")] == [
        f"cropped_aligned/smile.mp4/0/{n:05d}.jpg" for n in range(1, 73, 10)
    ]
    assert not (tmp_path / "a" / "results").exists()
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["status"] for e in events if e["event"] == "video"] == ["ok"]


def test_results_of_another_video_are_not_used(clips, cut, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(clips / "talks" / "smile.mp4", tmp_path / "in" / "nobody.mp4")
    done = autrt("crop", tmp_path / "in", "--out", tmp_path / "out", "--results", cut / "results")
    assert done.returncode == 3
    assert "of another video" in done.stderr
    assert rows(tmp_path / "out") == []


def test_wrong_usage_touches_nothing(clips, tmp_path):
    inside = clips / "out"
    assert autrt("crop", clips, "--out", inside).returncode == 2
    assert not inside.exists()
    none = autrt("crop", "--out", tmp_path / "x")
    assert none.returncode == 2
    assert "no input" in none.stderr
    sources = [Source(Path("x"), name, "images") for name in ("a/b", "a/b/c/d")]
    with pytest.raises(UsageError, match="would lie among those of 'a/b'"):
        refuse_nested(sources)
    refuse_nested([Source(Path("x"), name, "images") for name in ("a/b", "a/bc")])


def test_a_stopped_video_leaves_nothing(clips, cut, tmp_path):
    stop = threading.Event()
    source = Source(clips / "talks" / "smile.mp4", "talks/smile.mp4", "video")

    def advance(_):
        stop.set()

    with pytest.raises(StoppedError):
        crop_video(source, cut / "results", tmp_path, CropSettings(), stop, advance)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    whole = crop_video(source, cut / "results", tmp_path, CropSettings(), threading.Event(), lambda _: None)
    assert (whole.status, whole.crops, whole.tracks) == ("ok", 72, 1)


@pytest.mark.parametrize(("side", "turn"), [(60, 0.0), (112, 0.3), (300, -0.4)])
def test_the_inner_part_of_a_crop_is_what_the_networks_see(side, turn):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3)).astype(np.uint8), (0, 0), 4)
    image = PlanarImage((Plane(picture),), None)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    noise = rng.normal(0, 0.02 * side, (5, 2))
    points = ((ARCFACE_112 - 56) / 112 * side @ rotation.T + [320, 240] + noise).astype(np.float32)
    aspect = Fraction(1)
    expected = crop_of(cut_patch(image, points, aspect), points)
    pixels, landmarks = crop_face(image, points, ARCFACE_112, aspect, 20)
    assert pixels.shape == (152, 152, 3)
    difference = np.abs(pixels[20:-20, 20:-20].astype(int) - expected)
    assert difference.max() <= 1
    assert np.linalg.norm(landmarks - ARCFACE_112, axis=1).mean() < 0.1 * EYE_DISTANCE_PX
