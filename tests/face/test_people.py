"""Real faces in arrangements: several people, cuts, turned and squeezed pictures, folders and stills."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from autrt import open_results
from tests.support.command import autrt
from tests.support.fetched import fetched
from tests.support.media import Clip, write_picture, write_video


def frames_of(name: str, count: int) -> list[np.ndarray]:
    """The first frames of a clip as RGB."""
    fetched("centerface")
    with av.open(str(fetched(name))) as container:
        return [
            f.to_ndarray(format="rgb24")
            for f, _ in zip(container.decode(video=0), range(count), strict=False)
        ]


def write_film(path: Path, pictures: list[np.ndarray], pixel_aspect: Fraction | None = None) -> None:
    height, width = pictures[0].shape[:2]
    options = {"crf": "12", "preset": "ultrafast"}
    clip = Clip(width=width, height=height, rate=Fraction(30), pixel_aspect=pixel_aspect, options=options)
    write_video(path, pictures, clip)


def infer(path: Path, tmp_path: Path, *options):
    done = autrt("infer", path, "--out", tmp_path / "out", "--progress", "none", *options)
    assert done.returncode == 0, done.stderr
    return open_results(next((tmp_path / "out").rglob("*.h5")))


@pytest.fixture(scope="module")
def smile() -> list[np.ndarray]:
    return frames_of("clip-smile", 40)


@pytest.fixture(scope="module")
def talk() -> list[np.ndarray]:
    return [cv2.resize(f, (440, 360)) for f in frames_of("clip-talk", 40)]


def test_two_people_are_two_tracks_counted_from_the_left(smile, talk, tmp_path):
    write_film(tmp_path / "pair.mkv", [np.hstack(pair) for pair in zip(talk, smile, strict=True)])
    with infer(tmp_path / "pair.mkv", tmp_path) as results:
        track, box = results.faces["track"], results.faces["box"]
        assert sorted(set(track.tolist())) == [0, 1]
        assert [int((track == t).sum()) for t in (0, 1)] == [40, 40]
        assert box[track == 0, 2].max() < 440 < box[track == 1, 0].min()


def test_the_larger_face_is_kept_on_request(smile, talk, tmp_path):
    pair = [np.hstack([cv2.copyMakeBorder(cv2.resize(t, (220, 180)), 0, 180, 0, 0, 0), s])
            for t, s in zip(talk, smile, strict=True)]  # fmt: skip
    write_film(tmp_path / "pair.mkv", pair)
    with infer(tmp_path / "pair.mkv", tmp_path, "--max-faces", "1") as results:
        assert set(results.faces["track"].tolist()) == {0}
        assert results.faces["box"][:, 0].min() > 220


def test_cut_between_two_people_starts_a_new_track(smile, talk, tmp_path):
    wide = [cv2.copyMakeBorder(t, 0, 0, 100, 100, 0) for t in talk]
    write_film(tmp_path / "cut.mkv", [*smile[:23], *wide[:17]])
    with infer(tmp_path / "cut.mkv", tmp_path) as results:
        assert results.tracks["first_frame"].tolist() == [0, 23]
        assert results.tracks["last_frame"].tolist() == [22, 39]


@pytest.mark.parametrize("between", [2, 20])
def test_dissolve_between_two_people_starts_a_new_track(smile, talk, tmp_path, between):
    """Both faces lie in one place, so that only their looks tell them apart."""
    other = [cv2.warpAffine(t, np.array([[0.8, 0, 170], [0, 0.8, 60]], np.float32), (640, 360)) for t in talk]
    shares = np.clip((np.arange(40 + between) - 19) / (between + 1), 0, 1)
    both = [[p[min(i, 39)] for i in range(len(shares))] for p in (smile, other)]
    film = [cv2.addWeighted(a, 1 - w, b, w, 0) for a, b, w in zip(*both, shares, strict=True)]
    write_film(tmp_path / "dissolve.mkv", film)
    with infer(tmp_path / "dissolve.mkv", tmp_path) as results:
        first, last = results.tracks["first_frame"], results.tracks["last_frame"]
        assert first[0] == 0
        assert 19 <= last[0] <= 20 + between
        assert 20 <= first[1:].min() <= 20 + between + 6


def probabilities(results) -> np.ndarray:
    return results.faces["probability"]


def test_a_rolled_picture_gives_the_same_face_rolled(smile, tmp_path):
    """The crop is upright whatever the camera's roll: 20° change decisions little."""
    turn = cv2.getRotationMatrix2D((320, 180), 20, 1)
    rolled = [cv2.warpAffine(f, turn, (640, 360)) for f in smile]
    for name, pictures in (("plain", smile), ("rolled", rolled)):
        write_film(tmp_path / f"{name}.mkv", pictures)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        infer(tmp_path / "plain.mkv", tmp_path / "a") as a,
        infer(tmp_path / "rolled.mkv", tmp_path / "b") as b,
    ):
        assert a.n_faces == b.n_faces == 40
        smile_a, smile_b = (probabilities(r)[:, r.au_names.index("AU12")] for r in (a, b))
        assert np.corrcoef(smile_a, smile_b)[0, 1] > 0.9


def test_squeezed_pixels_are_aligned_as_square_ones(smile, tmp_path):
    squeezed = [cv2.resize(f, (320, 360), interpolation=cv2.INTER_AREA) for f in smile]
    write_film(tmp_path / "plain.mkv", smile)
    write_film(tmp_path / "squeezed.mkv", squeezed, Fraction(2))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        infer(tmp_path / "plain.mkv", tmp_path / "a") as a,
        infer(tmp_path / "squeezed.mkv", tmp_path / "b") as b,
    ):
        assert b.header.video.pixel_aspect == 2
        assert np.abs(a.faces["box"] / [2, 1, 2, 1] - b.faces["box"]).mean() < 6
        assert np.abs(probabilities(a) - probabilities(b)).mean() < 0.08


def test_folder_of_numbered_pictures_is_one_video(smile, tmp_path):
    folder = tmp_path / "subject"
    folder.mkdir()
    numbers = [n for n in range(1, 31) if n not in (7, 8, 20)]
    for n in numbers:
        write_picture(folder / f"{n:05d}.jpg", smile[n])
    (folder / "notes.txt").write_text("foreign")
    with infer(folder, tmp_path, "--image-rate", "15") as results:
        assert (results.frames["index"] + 1).tolist() == numbers
        np.testing.assert_allclose(results.frames["time_s"], (np.array(numbers) - 1) / 15)
        assert results.n_faces == len(numbers)


def test_a_still_is_a_video_of_one_frame(smile, tmp_path):
    write_picture(tmp_path / "face.png", smile[35])
    with infer(tmp_path / "face.png", tmp_path) as results:
        assert results.n_frames == results.n_faces == 1
        assert results.faces["active"][0, results.au_names.index("AU12")]
