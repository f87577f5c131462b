"""`autrt recompute`: what a fresh `infer` with the new model and baseline writes, from stored logits alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import autrt as package
from autrt import open_results
from autrt.model.folder import PACKAGED, load_model
from autrt.model.schema import ENSEMBLE_FILE, MODEL_FILE
from autrt.results.verification.verify import verify
from tests.support.command import assert_equal_results, autrt, leftovers, manifest
from tests.support.crop_folders import write_crop_folders
from tests.support.results import video_file

N_CROPS = 160
"""At 20 pictures a second these are 8 s: long enough for a baseline."""


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Path:
    """Two folders of aligned crops, the second too short for a baseline."""
    root = tmp_path_factory.mktemp("crops")
    write_crop_folders(root, {"anna": N_CROPS, "ben": 9})
    return root


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """The default model with other thresholds and windows; and two ensembles of other weights."""
    root = tmp_path_factory.mktemp("models")
    shutil.copytree(PACKAGED / "student", root / "other")
    facts = json.loads((root / "other" / MODEL_FILE).read_text())
    n = len(facts["au_names"])
    facts |= {
        "thresholds": [0.2 + 0.05 * i for i in range(n)],
        "smoothing_windows": [1 + 3 * i for i in range(n)],
    }
    (root / "other" / MODEL_FILE).write_text(json.dumps(facts))
    decisions = {
        key: facts[key]
        for key in ("au_names", "thresholds", "smoothing_windows", "smoothing_domain", "licence")
    }
    for name, share in (("even", 0.5), ("uneven", 0.9)):
        for member in ("student", "student-open"):
            shutil.copytree(PACKAGED / member, root / name / "members" / member)
        weights = [[share] * n, [1 - share] * n]
        ensemble = {"schema": "autrt-ensemble/1", "members": ["student", "student-open"], "weights": weights}
        (root / name / ENSEMBLE_FILE).write_text(json.dumps(ensemble | decisions))
    return root


def infer(crops: Path, out: Path, **options) -> Path:
    summary = package.infer(crops, out, aligned=True, workers=1, offline=True, image_rate=20, **options)
    assert summary.failed == {}
    return out


@pytest.fixture(scope="module")
def plain(crops, tmp_path_factory) -> Path:
    return infer(crops, tmp_path_factory.mktemp("plain"))


@pytest.fixture
def out(plain, tmp_path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "out"))


def digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*.h5")):
        assert verify(path) == []
        with open_results(path) as results:
            found[path.name] = results.run_digest
    return found


def test_recompute_equals_a_fresh_infer(crops, models, out, tmp_path):
    fresh = infer(crops, tmp_path / "fresh", model=models / "other", baseline="p20")
    before = digests(out)
    done = autrt("recompute", out, "--model", models / "other", "--baseline", "p20", "--jobs", 2)
    assert (done.returncode, done.stdout) == (0, "2 files: 2 recomputed, 0 done before, 0 failed\n"), (
        done.stderr
    )
    assert_equal_results(out, fresh)
    assert digests(out) == digests(fresh) != before
    with open_results(out / "anna.h5") as new, open_results(fresh / "anna.h5") as other:
        assert np.isfinite(new.tracks["baseline"]).all()
        (step,) = new.header.recomputed
        assert step["run_digest"] == before["anna.h5"]
        assert step["model_name"] == "student"
        assert step["command"].startswith("autrt recompute ")
        for name in ("thresholds", "smoothing_windows", "model_digest", "settings", "au_grades", "baseline"):
            assert getattr(new.header, name) == getattr(other.header, name), name
        assert other.header.recomputed == ()
    assert leftovers(out) == []


def test_infer_takes_recomputed_files_for_its_own(crops, models, out):
    assert autrt("recompute", out, "--model", models / "other").returncode == 0
    plan = package.plan(crops, out, aligned=True, offline=True, image_rate=20, model=models / "other")
    assert (plan.todo, plan.refusal, plan.notes) == ([], None, [])
    assert manifest(out)["anna"]["status"] == "found"
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["model"] == load_model(models / "other").digest


def test_recompute_goes_on_where_it_was_stopped(models, out):
    assert autrt("recompute", out / "anna.h5", "--baseline", "p10").returncode == 0
    done = autrt("recompute", out, "--baseline", "p10")
    assert done.stdout == "2 files: 1 recomputed, 1 done before, 0 failed\n"
    done = autrt("recompute", out, "--baseline", "none")
    assert done.returncode == 0
    with open_results(out / "anna.h5") as results:
        assert [step["model_name"] for step in results.header.recomputed] == ["student"] * 2
        assert "baseline" not in results.tracks


def test_recompute_into_another_folder_leaves_the_old_files(plain, tmp_path):
    before = digests(plain)
    assert autrt("recompute", plain, "--baseline", "p50", "--out", tmp_path / "new").returncode == 0
    assert digests(plain) == before
    assert digests(tmp_path / "new").keys() == before.keys()


def test_recompute_refuses_a_folder_within_the_results(out):
    done = autrt("recompute", out, "--baseline", "p20", "--out", out / "new")
    assert done.returncode == 2
    assert "expected a folder outside it" in done.stderr
    assert not (out / "new").exists()


def test_recompute_with_other_weights_equals_a_fresh_infer(crops, models, tmp_path):
    made = infer(crops, tmp_path / "made", model=models / "even", keep_members=True)
    fresh = infer(crops, tmp_path / "fresh", model=models / "uneven", keep_members=True, baseline="p30")
    done = autrt("recompute", made, "--model", models / "uneven", "--baseline", "p30")
    assert done.returncode == 0, done.stderr
    assert_equal_results(made, fresh)
    assert digests(made) == digests(fresh)


def test_recompute_names_what_it_cannot_do(crops, models, plain, tmp_path):
    assert autrt("recompute", plain).returncode == 2
    assert autrt("recompute", plain, "--baseline", "p101").returncode == 2
    done = autrt("recompute", plain, "--model", "student-open")
    assert done.returncode == 3
    assert "expected a model of the networks that made it (student)" in done.stderr
    made = infer(crops / "ben", tmp_path / "made", model=models / "even")
    done = autrt("recompute", made, "--model", models / "uneven")
    assert done.returncode == 3
    assert "--keep-members" in done.stderr
    assert autrt("recompute", made, "--model", models / "even", "--baseline", "p30").returncode == 0


def test_recompute_leaves_a_damaged_file_and_does_the_others(out):
    damaged = out / "ben.h5"
    damaged.write_bytes(damaged.read_bytes()[:5000])
    done = autrt("recompute", out, "--baseline", "p50")
    assert done.returncode == 3
    assert "ben.h5" in done.stderr
    assert "1 recomputed, 0 done before, 1 failed" in done.stdout


def test_recompute_keeps_people_and_leaves_temporal_networks_to_infer(plain, tmp_path):
    several = tmp_path / "several" / "anna.h5"
    several.parent.mkdir()
    tracks = {number: dict.fromkeys(range(4 * number, 4 * number + 4), 0.5) for number in range(3)}
    video_file(several, tracks, 12, person=np.array([0, 1, 0], np.int32))
    done = autrt("recompute", several.parent, "--baseline", "p50")
    assert done.returncode == 0, done.stderr
    with open_results(several) as results:
        assert results.people().tolist() == [0, 1, 0]
    (tmp_path / "network").mkdir()
    video_file(tmp_path / "network" / "a.h5", tracks, 12, temporal_digest="ab" * 32)
    done = autrt("recompute", tmp_path / "network", "--baseline", "p50")
    assert done.returncode == 3
    assert "a temporal network's need `autrt infer`" in done.stderr
