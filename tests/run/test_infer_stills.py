"""`autrt infer --stills folder`: one results file for the pictures of a folder, with the numbers of single ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import autrt
from autrt import open_results
from autrt.errors import UsageError
from autrt.results.verification.verify import verify
from autrt.run.decisions import Decisions, decide_anew
from autrt.video.discover import discover
from autrt.video.probe import probe, stated_length_s, stated_pixels
from tests.support.command import autrt as command
from tests.support.fetched import fetched

GOOD = ("a.jpg", "b two faces.png", "c, quoted.jpg", "d.webp", "nobody.bmp")
"""Names of the pictures that can be decoded, in order; `cut.jpg` lies between the third and the fourth."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A folder of pictures of several sizes, a broken one, a clip, a text, and a folder with one picture more."""
    folder = tmp_path_factory.mktemp("in") / "album"
    (folder / "more").mkdir(parents=True)
    with av.open(str(fetched("clip-smile"))) as clip:
        frames = [f.to_ndarray(format="bgr24") for _, f in zip(range(40), clip.decode(video=0), strict=False)]
    face = frames[0]
    smaller = cv2.resize(frames[20], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    sizes = [face, np.hstack([face, frames[39]]), smaller, frames[39], np.full((90, 120, 3), 128, np.uint8)]
    for name, picture in zip(GOOD, sizes, strict=True):
        cv2.imwrite(str(folder / name), picture)
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:100])
    (folder / "notes.txt").write_text("no picture")
    shutil.copy(folder / "a.jpg", folder / "more" / "one.jpg")
    shutil.copy(fetched("clip-smile"), folder / "clip.mp4")
    cv2.imwrite(str(folder / ".hidden.jpg"), face)
    return folder.parent


@pytest.fixture(scope="module")
def results(pictures, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out")
    summary = autrt.infer(pictures, out, stills="folder", workers=1, keep_members=True)
    assert {name: summary.count(name) for name in ("ok", "partial")} == {"ok": 2, "partial": 1}
    return out


@pytest.fixture(scope="module")
def single(pictures, tmp_path_factory) -> Path:
    """Results of each picture by itself."""
    out = tmp_path_factory.mktemp("single")
    autrt.infer([pictures / "album" / name for name in GOOD], out, workers=1, keep_members=True)
    return out


def test_every_folder_has_one_file(results):
    found = sorted(path.relative_to(results).as_posix() for path in results.rglob("*.h5"))
    assert found == ["album.h5", "album/clip.mp4.h5", "album/more.h5"]
    assert [verify(results / name) for name in found] == [[], [], []]


def test_rows_are_those_of_single_pictures(pictures, results, single):
    with open_results(results / "album.h5") as together:
        assert together.frames["picture"].tolist() == list(GOOD)
        assert together.frames["index"].tolist() == [0, 1, 2, 4, 5]
        assert together.header.source.kind == "stills"
        n_tracks = 0
        for row, name in enumerate(GOOD):
            faces = together.faces["frame"] == row
            with open_results(single / f"{name}.h5") as alone:
                picture = cv2.imread(str(pictures / "album" / name))
                size = [int(together.frames[side, row : row + 1][0]) for side in ("height", "width")]
                assert (
                    size
                    == list(picture.shape[:2])
                    == [alone.header.video.height_px, alone.header.video.width_px]
                )
                assert together.faces.columns == alone.faces.columns
                for column in set(together.faces.columns) - {"frame", "track"}:
                    np.testing.assert_array_equal(together.faces[column][faces], alone.faces[column], column)
                assert (together.faces["track"][faces] - n_tracks).tolist() == alone.faces["track"].tolist()
                n_tracks += len(alone.tracks)
        assert len(together.tracks) == n_tracks == 5


def test_broken_picture_is_a_loss_that_names_it(results):
    with open_results(results / "album.h5") as found:
        assert found.lost["packets"].tolist() == [1]
        assert found.lost["reason"][0].startswith("cut.jpg: ")


def test_folder_is_done_again_only_where_its_pictures_change(pictures, results, tmp_path):
    videos = Path(shutil.copytree(pictures, tmp_path / "in"))
    more = videos / "album" / "more"

    (more / "new.mp4").write_bytes(b"")  # no picture
    before = state_of(videos, results)
    cv2.imwrite(str(more / "two.jpg"), np.zeros((60, 80, 3), np.uint8))
    assert (before, state_of(videos, results)) == ("touched", "source-changed")


def state_of(videos: Path, out: Path) -> str:
    """The state of the results of `album/more`."""
    plan = autrt.plan(videos, out, stills="folder", keep_members=True)
    return {source.relative: state for source, state in plan.work.states}["album/more"]


def test_tables_name_the_pictures(results, tmp_path):
    with open_results(results / "album.h5") as found:
        table = found.to_dataframe()
    assert table["picture"].tolist() == [*GOOD[:2], *GOOD[1:]]
    for suffix in (".csv", ".parquet"):
        done = command("export", results / "album.h5", "--out", tmp_path / f"t{suffix}")
        assert done.returncode == 0, done.stderr
    import pandas as pd

    assert pd.read_csv(tmp_path / "t.csv")["picture"].tolist() == table["picture"].tolist()
    assert pd.read_parquet(tmp_path / "t.parquet")["picture"].tolist() == table["picture"].tolist()


def test_decisions_made_anew_keep_the_pictures(results, tmp_path):
    from autrt.model.folder import DEFAULT_MODEL, load_model

    with open_results(results / "album.h5") as found:
        target = decide_anew(found, tmp_path / "again.h5", Decisions(model=load_model(DEFAULT_MODEL)), "test")
        assert verify(target) == []
        with open_results(target) as again:
            for name in found.frames.columns:
                np.testing.assert_array_equal(found.frames[name], again.frames[name])


def test_overlays_are_pictures(pictures, results, tmp_path):
    made = "overlay", pictures / "album", results / "album.h5", "--out"
    refused = command(*made, tmp_path / "o.mp4")
    assert (refused.returncode, "--frames" in refused.stderr) == (2, True)
    assert command(*made, tmp_path / "o", "--frames").returncode == 0
    drawn = [cv2.imread(str(path)) for path in sorted((tmp_path / "o").iterdir())]
    assert [picture.shape for picture in drawn] == [
        cv2.imread(str(pictures / "album" / n)).shape for n in GOOD
    ]


def test_facts_before_decoding(pictures):
    (album,) = (s for s in discover([pictures], stills_together=True) if s.relative == "album")
    assert stated_length_s(album) == pytest.approx(6 * 0.2)
    height, width, _ = cv2.imread(str(album.path / GOOD[1])).shape  # pyright: ignore[reportOptionalMemberAccess]
    assert stated_pixels(album) == height * width
    assert probe(album).frame_count == 6


def test_plan_takes_folders_of_stills(pictures, tmp_path):
    plan = tmp_path / "plan.parquet"
    made = command("plan", pictures / "album" / "more", "--stills", "folder", "--shards", 1, "--out", plan)
    assert made.returncode == 0, made.stderr
    done = command("infer", "--plan", plan, "--shard", "1/1", "--out", tmp_path / "out", "--workers", 1)
    assert done.returncode == 0, done.stderr
    with open_results(tmp_path / "out" / "more.h5") as found:
        assert found.frames["picture"].tolist() == ["one.jpg"]


def test_what_cannot_be_read_is_lost_and_blocks_nothing(pictures, tmp_path):
    (folder := tmp_path / "in").mkdir()
    shutil.copy(pictures / "album" / "a.jpg", folder)
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder / "pipe.png")
    (folder / "empty.bmp").write_bytes(b"")
    summary = autrt.infer(folder, tmp_path / "out", stills="folder", workers=1)
    assert (summary.count("partial"), summary.frames) == (1, 1)
    with open_results(tmp_path / "out" / "in.h5") as found:
        assert [reason.split(":")[0] for reason in found.lost["reason"]] == [
            "dangling.jpg",
            "empty.bmp",
            "pipe.png",
        ]


def test_folder_without_a_good_picture_fails(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.jpg").write_bytes(b"nothing")
    summary = autrt.infer(tmp_path / "in", tmp_path / "out", stills="folder", workers=1)
    assert list(summary.failed) == ["in"]
    assert "not one picture of the folder" in summary.failed["in"]


@pytest.mark.parametrize("options", [{"aligned": True, "stills": "folder"}, {"stills": "all"}])
def test_wrong_options_are_refused(tmp_path, options):
    (tmp_path / "x.jpg").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="stills: expected"):
        autrt.plan(tmp_path, tmp_path / "out", **options)


def test_pictures_in_object_storage_are_refused(tmp_path):
    with pytest.raises(UsageError, match="stills: expected"):
        autrt.plan("s3://bucket/album", tmp_path / "out", stills="folder")
