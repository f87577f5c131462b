"""Other settings in a folder of results: nothing finished is computed again without being asked for."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from autrt import open_results
from autrt.model.folder import load_model
from autrt.results.verification.verify import verify
from autrt.run.folder_lock import lock_folder
from autrt.run.run_json import RunJson
from tests.support.command import autrt, autrt_here, start
from tests.support.fetched import fetched
from tests.support.media import Clip
from tests.support.waiting import read_until, waiting_at

NEW = ("--max-faces", "1")
"""A setting that changes numbers; the default is `all`."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Four short videos, of nobody: what is done again does not depend on who is seen."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("clips")
    for name in "abcd":
        Clip(frames=4).write(folder / f"{name}.mp4")
    return folder


@pytest.fixture(scope="module")
def made(clips, tmp_path_factory) -> Path:
    """Results of a and b with the usual settings."""
    out = tmp_path_factory.mktemp("made")
    assert infer(out, clips / "a.mp4", clips / "b.mp4").returncode == 0
    return out


@pytest.fixture
def out(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def infer(out, *arguments):
    return autrt_here("infer", *arguments, "--out", out, "--progress", "plain")


def bytes_in(out):
    return {p.name: p.read_bytes() for p in out.iterdir()}


def limits(out):
    """The most faces that each file was made with."""
    found = {}
    for path in sorted(out.glob("*.h5")):
        assert verify(path) == []
        with open_results(path) as results:
            found[path.name[0]] = results.header.settings["max_faces"]
    return found


def test_changed_setting_is_refused_with_the_ways_out(clips, out):
    before = bytes_in(out)
    done = infer(out, clips, *NEW)
    assert done.returncode == 2
    for words in (
        "2 finished videos would be computed again", "2 for the first time", "max_faces: all → 1",
        "--overwrite", "another output folder", f"autrt infer {clips / 'a.mp4'}",
    ):  # fmt: skip
        assert words in done.stderr
    assert bytes_in(out) == before


def test_changed_settings_are_all_named(clips, out):
    done = infer(out, clips, "--quality", "max", "--baseline", "p20")
    assert done.returncode == 2
    for words in ("model: student (", "→ student-mirror (", "(quality max)", "baseline: none → p20"):
        assert words in done.stderr


def test_dry_run_prints_the_refusal_and_goes_on(clips, out):
    before = bytes_in(out)
    done = infer(out, clips, *NEW, "--dry-run")
    assert done.returncode == 0
    assert "max_faces: all → 1" in done.stdout
    assert done.stdout.count("again  ") == 2
    assert done.stdout.count("to do  ") == 2
    assert bytes_in(out) == before


def test_overwrite_computes_finished_videos_again(clips, out):
    done = infer(out, clips, *NEW, "--overwrite")
    assert done.returncode == 0
    assert "computing 2 finished videos again, 2 of them made with other settings" in done.stderr
    assert limits(out) == dict.fromkeys("abcd", 1)
    assert json.loads((out / "run.json").read_text())["settings"]["max_faces"] == 1
    assert "4 done before" in infer(out, clips, *NEW).stderr


def test_folder_mixes_settings_where_only_missing_are_done(clips, out):
    done = infer(out, clips / "c.mp4", *NEW)
    assert done.returncode == 0
    assert "now it mixes them (max_faces: all → 1)" in done.stderr
    assert limits(out) == {"a": None, "b": None, "c": 1}
    for settings in ((), NEW):  # neither may now compute the others' again
        refused = infer(out, clips, *settings)
        assert refused.returncode == 2
        assert limits(out) == {"a": None, "b": None, "c": 1}
    assert "2 done before" in infer(out, clips / "a.mp4", clips / "b.mp4").stderr


def test_changed_setting_is_seen_without_run_json(clips, out):
    (out / "run.json").unlink()
    refused = infer(out, clips, *NEW)
    assert refused.returncode == 2
    assert "max_faces: all → 1" in refused.stderr
    assert not (out / "run.json").exists()
    assert "2 ok, 2 done before" in infer(out, clips).stderr


def test_stopped_overwrite_goes_on_without_asking(clips, tmp_path):
    out = tmp_path / "out"
    assert infer(out, clips).returncode == 0
    options = ("--progress", "plain", "--workers", "1", "--overwrite", *NEW)
    running = start("infer", clips, "--out", out, *options, env=waiting_at(tmp_path, "b.mp4"))
    read_until(running.stderr, "waiting")
    running.kill()
    running.communicate()
    redone = {name for name, most in limits(out).items() if most == 1}
    assert redone == {"a"}
    back = infer(out, clips)  # the old settings would compute the new ones again
    assert back.returncode == 2
    assert "max_faces: 1 → all" in back.stderr
    done = infer(out, clips, *NEW)
    assert done.returncode == 0
    assert "going on with overwrite: 3 video" in done.stderr
    assert "1 done before" in done.stderr
    assert limits(out) == dict.fromkeys("abcd", 1)


def test_overwrite_of_one_input_keeps_the_others(clips, out):
    assert infer(out, clips / "a.mp4", *NEW, "--overwrite").returncode == 0
    refused = infer(out, clips, *NEW)
    assert refused.returncode == 2
    assert limits(out) == {"a": 1, "b": None}


def test_runs_with_other_settings_exclude_each_other(clips, tmp_path):
    out = tmp_path / "out"
    options = ("--progress", "plain", "--workers", "1")
    running = start("infer", clips, "--out", out, *options, env=waiting_at(tmp_path, "b.mp4"))
    read_until(running.stderr, "waiting")
    second = infer(out, clips, *NEW)
    running.kill()
    running.communicate()
    assert second.returncode == 2
    assert "other settings" in second.stderr
    assert limits(out) == {"a": None}


def test_equal_run_is_refused_while_another_does_its_videos(clips, out):
    settings = RunJson.read(out)
    assert settings is not None
    with closing(lock_folder(out, settings, sharded=False, videos=["c.mp4"])):
        refused = autrt("infer", clips, "--out", out)
    assert refused.returncode == 2
    assert "1 of these videos" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr


def test_shards_are_refused_with_all_differences(clips, out):
    refused = infer(out, clips, *NEW, "--baseline", "p20", "--shard", "1/1", "--overwrite")
    assert refused.returncode == 2
    assert "max_faces: all → 1" in refused.stderr
    assert "baseline: none → p20" in refused.stderr


def test_former_command_computes_nothing_finished_again(clips, out):
    assert infer(out, clips / "a.mp4", "--overwrite", *NEW).returncode == 0
    refused = infer(out, clips / "a.mp4")
    assert refused.returncode == 2
    (line,) = [line for line in refused.stderr.splitlines() if "the settings of before" in line]
    assert "--max-faces 1" in line
    assert "--overwrite" not in line


def test_way_back_from_recomputed_results_names_their_decisions(clips, out):
    assert autrt_here("recompute", out, "--baseline", "p20").returncode == 0
    refused = infer(out, clips)
    assert refused.returncode == 2
    assert "baseline: p20 → none" in refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "the settings of before" in line]
    assert "as in: autrt recompute" in line
    assert "--baseline p20" in line


def test_another_model_of_the_same_name_is_told_and_no_useless_command_is_advised(clips, tmp_path):
    model = Path(shutil.copytree(load_model("student").path, tmp_path / "model"))
    assert infer(tmp_path / "out", clips / "a.mp4", "--model", model).returncode == 0
    facts = json.loads((model / "model.json").read_text())
    facts["thresholds"] = [0.9] * len(facts["thresholds"])
    (model / "model.json").write_text(json.dumps(facts))
    refused = infer(tmp_path / "out", clips, "--model", model)
    assert refused.returncode == 2
    assert "), another model of this name" in refused.stderr
    assert "the model of before" in refused.stderr
    assert f"the autrt that made the results ({version('autrt')})" in refused.stderr
    assert "the settings of before" not in refused.stderr


def test_missing_inputs_are_refused_and_nothing_is_made(clips, tmp_path):
    refused = infer(tmp_path / "out", tmp_path / "interviws")
    assert refused.returncode == 2
    assert "no such file or folder" in refused.stderr
    assert not (tmp_path / "out").exists()
