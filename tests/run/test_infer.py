"""The main job through the command: real clips, bad files, interruptions, resuming."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from autrt import open_results
from autrt.machine import has_bf16
from autrt.results.verification.verify import verify
from tests.support.command import assert_equal_results, autrt, autrt_here, leftovers, manifest, start
from tests.support.fetched import fetched
from tests.support.media import Clip
from tests.support.waiting import read_until, waiting_at

CLIPS = ("clip-smile", "clip-talk", "clip-nobody")


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A folder of three real clips: a smile, somebody talking, and nobody."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("clips")
    for name in CLIPS:
        shutil.copy(fetched(name), folder / f"{name}.mp4")
    return folder


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory) -> Path:
    """The results of one uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    done = autrt("infer", "--videos", clips, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def infer(clips, out, *options):
    return autrt_here("infer", "--videos", clips, "--out", out, "--progress", "none", *options)


def test_infer_leaves_a_verified_file_per_clip_and_nothing_else(whole):
    files = sorted(p.name for p in whole.rglob("*.h5"))
    assert files == sorted(f"{name}.mp4.h5" for name in CLIPS)
    assert all(verify(p) == [] for p in whole.rglob("*.h5"))
    assert leftovers(whole) == []
    assert {e["status"] for e in manifest(whole).values()} == {"ok"}


def test_quality_max_mirrors_faces_and_detects_often(clips, whole, tmp_path):
    done = infer(clips / "clip-smile.mp4", tmp_path, "--quality", "max")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run.json").read_text())["about"]["model_name"] == "student-mirror"
    with (
        open_results(tmp_path / "clip-smile.mp4.h5") as best,
        open_results(whole / "clip-smile.mp4.h5") as usual,
    ):
        told, other = best.faces["logit"][:], usual.faces["logit"][:]
        assert (best.faces["source"][:] == 0).sum() > (usual.faces["source"][:] == 0).sum()
    assert 0.9 < np.corrcoef(told.ravel(), other.ravel())[0, 1] < 0.99999


def test_quality_fast_detects_seldom_and_takes_bf16(clips, whole, tmp_path):
    done = infer(clips / "clip-smile.mp4", tmp_path, "--quality", "fast")
    assert done.returncode == 0, done.stderr
    with (
        open_results(tmp_path / "clip-smile.mp4.h5") as fast,
        open_results(whole / "clip-smile.mp4.h5") as usual,
    ):
        assert fast.header.precision == ("bf16" if has_bf16() else "f32")
        assert usual.header.precision == "f32"
        assert fast.header.detect_every == 2 * usual.header.detect_every


@pytest.mark.parametrize(("name", "frames"), [("clip-smile", 72), ("clip-talk", 120)])
def test_infer_makes_one_track_of_one_person(whole, name, frames):
    with open_results(whole / f"{name}.mp4.h5") as results:
        assert results.n_frames == frames
        rows = results.faces["frame"]
        assert len(set(rows.tolist())) >= 0.99 * frames
        assert len(results.tracks) == 1
        box, points = results.faces["box"], results.faces["landmarks"]
        inside = (points >= box[:, None, :2]) & (points <= box[:, None, 2:])
        assert inside.all(axis=(1, 2)).mean() >= 0.99
        # left eye, right eye above the nose above the mouth, for an upright head
        assert (points[:, :2, 1].max(1) < points[:, 2, 1]).all()
        assert (points[:, 2, 1] < points[:, 3:, 1].min(1)).all()


def test_infer_writes_a_complete_file_where_nobody_is(whole):
    with open_results(whole / "clip-nobody.mp4.h5") as results:
        assert results.n_frames == 95
        assert results.n_faces == 0


def test_infer_sees_a_smile_in_au12(whole):
    """The clip is neutral, smiles in its middle, and ends neutral."""
    with open_results(whole / "clip-smile.mp4.h5") as results:
        smile = results.faces["smoothed"][:, results.au_names.index("AU12")]
    assert smile[30:45].mean() > smile[:8].mean() + 0.2


def test_infer_again_touches_nothing(clips, whole):
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*.h5")}
    done = infer(clips, whole)
    assert done.returncode == 0
    assert "3 done before" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*.h5")} == before


def test_infer_does_changed_videos_again_and_not_touched_ones(clips, whole, tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    shutil.copytree(clips, videos)
    shutil.copytree(whole, out)
    (videos / "clip-smile.mp4").touch()
    assert "3 done before" in infer(videos, out).stderr
    shutil.copy(videos / "clip-nobody.mp4", videos / "clip-talk.mp4")
    done = infer(videos, out, "--progress", "plain")
    assert "computing 1 video again that changed since" in done.stderr
    assert "1 ok, 2 done before" in done.stderr


def test_results_do_not_depend_on_workers_or_other_videos(clips, whole, tmp_path):
    assert infer(clips, tmp_path / "one", "--workers", "1").returncode == 0
    assert_equal_results(tmp_path / "one", whole)
    assert infer(clips / "clip-talk.mp4", tmp_path / "alone").returncode == 0
    shutil.copytree(whole, tmp_path / "part", ignore=shutil.ignore_patterns("*smile*", "*nobody*"))
    assert_equal_results(tmp_path / "alone", tmp_path / "part")


def test_shards_together_do_every_video_once(clips, whole, tmp_path):
    for i in (1, 2):
        assert infer(clips, tmp_path, "--shard", f"{i}/2").returncode == 0
    assert_equal_results(tmp_path, whole)
    mixed = infer(clips, tmp_path, "--shard", "1/2", "--detect-every", "2")
    assert mixed.returncode == 2
    assert "on every 2 frames (detect_every)" in mixed.stderr


@pytest.mark.parametrize("at", sorted(CLIPS))
def test_infer_does_the_rest_after_a_kill(clips, whole, tmp_path, at):
    environment, out = waiting_at(tmp_path, f"{at}.mp4"), tmp_path / "out"
    running = start("infer", clips, "--out", out, "--progress", "plain", "--workers", 1, env=environment)
    read_until(running.stderr, "waiting")
    running.kill()
    running.communicate()
    before = sorted(CLIPS)[: sorted(CLIPS).index(at)]
    assert {p.name for p in out.rglob("*.h5")} == {f"{name}.mp4.h5" for name in before}
    assert all(verify(p) == [] for p in out.rglob("*.h5"))
    assert infer(clips, out).returncode == 0
    assert_equal_results(out, whole)
    assert leftovers(out) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_infer_stops_cleanly_at_a_signal(clips, tmp_path, number, code):
    environment, out = waiting_at(tmp_path, "clip-smile.mp4"), tmp_path / "out"
    running = start("infer", clips, "--out", out, "--progress", "plain", "--workers", 1, env=environment)
    read_until(running.stderr, "waiting")
    running.send_signal(number)
    _, errors = running.communicate()
    assert running.returncode == code
    assert "Traceback" not in errors
    assert leftovers(out) == []
    assert [p.name for p in out.rglob("*.h5")] == ["clip-nobody.mp4.h5"]
    assert all(verify(p) == [] for p in out.rglob("*.h5"))
    assert "started" not in {e["status"] for e in manifest(out).values()}


def test_infer_goes_on_after_bad_inputs(clips, tmp_path):
    videos, out = tmp_path / "in", tmp_path / "out"
    (videos / "sub").mkdir(parents=True)
    good = Clip(frames=8).write(tmp_path / "good.mp4").read_bytes()
    names = [
        "with space.mp4", "quo'te\".mp4", "new\nline.mp4", "🙂.mp4", "x" * 246 + ".mp4", "same.mp4", "same.mkv",
        "sub/same.mp4",
    ]  # fmt: skip
    for name in names:
        (videos / name).write_bytes(good)
    raw = os.fsencode(videos) + b"/\xff\xfe.mp4"
    Path(os.fsdecode(raw)).write_bytes(good)
    damaged = bytearray((clips / "clip-talk.mp4").read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(damaged) // 3, len(damaged) // 2, 200):
        damaged[at] ^= 0xFF
    (videos / "damaged.mp4").write_bytes(damaged)
    (videos / "empty.mp4").write_bytes(b"")
    (videos / "text.mp4").write_text("this is no video")
    (videos / "half.mp4").write_bytes(good[: len(good) // 2])
    (videos / "dangling.mp4").symlink_to("../../nowhere.mp4")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.mp4").write_bytes(good)
    (videos / "up.mp4").symlink_to("../in/sub/../../elsewhere/real.mp4")

    done = autrt_here("infer", "--videos", videos, "--out", out)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    events = manifest(out)
    failed = {name for name, e in events.items() if e["status"] == "failed"}
    assert failed == {"empty.mp4", "text.mp4", "half.mp4", "dangling.mp4"}
    assert all(events[name]["reason"] for name in failed)
    assert "a link to '../../nowhere.mp4', which does not exist" in events["dangling.mp4"]["reason"]
    assert all(name in done.stderr for name in failed)
    assert events["damaged.mp4"]["status"] == "partial"
    assert events["damaged.mp4"]["lost"] > 0
    files = list(out.rglob("*.h5"))
    assert len(files) == len(names) + 1 + 1 + 1
    assert all(verify(p) == [] for p in files)
    assert leftovers(out) == []


def test_dry_run_prints_the_plan_and_does_nothing(clips, tmp_path):
    done = infer(clips, tmp_path / "out", "--dry-run")
    assert done.returncode == 0
    for name in CLIPS:
        assert f"{name}.mp4" in done.stdout
    assert "3 to do" in done.stdout
    assert not (tmp_path / "out").exists()


def test_infer_offline_says_how_to_get_the_detector(clips, tmp_path):
    environment = os.environ | {"AUTRT_CACHE": str(tmp_path / "cache")}
    done = autrt("infer", clips, "--out", tmp_path / "out", "--offline", env=environment)
    assert done.returncode == 2
    assert "autrt fetch centerface" in done.stderr
