"""Whole runs of `autrt distill`, small."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from autrt.cli.distill import command
from autrt.errors import UsageError
from autrt.model.folder import Model, load_model
from autrt_train.distill.distillation_data import open_distillation_data
from autrt_train.fit import checkpoint
from autrt_train.fit.loop import TrainingLoop
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.read_recipe import read_recipe
from autrt_train.recipe import Recipe
from autrt_train.stop_request import StopRequest
from autrt_train.teacher.teacher import Teacher
from autrt_train.train import train
from autrt_train.training_network import build_training_network
from autrt_train.types import MISSING, DataError
from tests.support.command import start
from tests.support.fetched import fetched
from tests.support.pictures import AUS, TINY_RECIPE, write_pictures

pytest_plugins = ("tests.support.model_fixtures",)

BASE = f"""{TINY_RECIPE}
[optimiser]
name = "adamw"
lr = 1e-2
schedule = "constant"

[heads]
landmarks = 0.1
presence = 0.1

[fit]
epochs = 2
batch = 24

[distill]
features = 0.2
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of crops, answers and near-duplicates that nobody else has; speed is measured in a moment."""
    monkeypatch.setattr("autrt_train.distill.speed.TURN_S", 0.02)
    monkeypatch.setattr("autrt_train.train._log_rate", lambda *_: None)
    for module in ("teacher.cached_outputs", "cached_array", "distill.video_faces"):
        monkeypatch.setattr(f"autrt_train.{module}.cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def written(tmp_path: Path, manifest: Path | None) -> Path:
    path = tmp_path / "recipe.toml"
    lines = BASE.replace("MANIFEST", str(manifest)).splitlines()
    if manifest is None:
        lines = [line for line in lines if not line.startswith("train =")]
    path.write_text("\n".join(lines))
    return path


def recipe_of(tmp_path: Path, manifest: Path, teacher: Model | Path, *changes: str) -> Recipe:
    place = teacher.path if isinstance(teacher, Model) else teacher
    return read_recipe(str(written(tmp_path, manifest)), [f'distill.teacher="{place}"', *changes])


def run(recipe: Recipe, folder: Path, messages: Callable[[str], object] = lambda _: None, **more: Any) -> Any:
    return train(recipe, folder, progress="none", log=messages, **more)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / "last.pt")["learner"]


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


def test_killed_distillation_resumes_bit_for_bit(
    pictures: Path, student_model: Model, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["distill", written(tmp_path, pictures), "--teacher", student_model.path]
    arguments += ["--out", tmp_path / "run", "--progress", "json"]
    arguments += ["--set", "fit.steps=400", "--set", "fit.save_every_s=0.001", "--set", "fit.ema=0.9"]
    alone = {**os.environ, "AUTRT_CACHE": str(tmp_path / "killed"), "OMP_NUM_THREADS": "1"}
    running = start(*arguments, env=alone)
    assert running.stdout is not None
    for line in running.stdout:
        if (tmp_path / "run" / "last.pt").is_file() and json.loads(line)["event"] == "step":
            break
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    step = checkpoint.load(tmp_path / "run" / "last.pt")["step"]
    assert 1 <= step < 400
    changes = (f"fit.steps={step + 2}", "fit.ema=0.9")
    recipe = recipe_of(tmp_path, pictures, student_model, *changes)
    messages: list[str] = []
    assert run(recipe, tmp_path / "run", messages.append, resume=True).finished
    assert sum(" runs on " in line for line in messages) == 2  # training and validation pictures
    _assert_compared(tmp_path / "run", student_model, messages)

    monkeypatch.setattr(Teacher, "infer", None)  # nobody may ask again
    with closing(opened(recipe)) as data:
        assert data.teacher_targets is not None
        training_network = build_training_network(recipe, ())
        training_network.project_to(128)
        assert TrainingLoop(
            recipe, data, training_network, tmp_path / "whole", ProcessGroup(), threading.Event()
        ).run(None)
    assert_same(weights(tmp_path / "run"), weights(tmp_path / "whole"))
    assert "projector.weight" in weights(tmp_path / "run")
    other = recipe_of(tmp_path, pictures, student_model, *changes, "distill.temperature=4")
    with pytest.raises(UsageError, match="another recipe or other data"):
        run(other, tmp_path / "run", resume=True)


def _assert_compared(folder: Path, teacher: Model, messages: list[str]) -> None:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    step = next(line for line in lines if line["event"] == "step")
    assert {"bce", "multi_label", "soft", "features", "landmarks", "presence"} <= set(step)
    model = load_model(folder / "model")
    assert model.au_names == AUS
    facts = json.loads((model.path / "model.json").read_text())
    assert facts["training"]["teacher"]["model_digest"] == teacher.digest
    found = json.loads((folder / "distill.json").read_text())
    assert set(found["aus"]) == set(AUS)
    assert found["judged_on"]["labels"] == "annotations"
    assert found["teacher"]["flops"] > found["student"]["flops"] > 0
    assert found["teacher"]["parameters"] == sum(value.numel() for value in _network(teacher).parameters())
    assert found["student_over_teacher"]["crops_per_s"] > 0
    mean = found["mean"]
    share = mean["student_f1_binary"] / mean["teacher_f1_binary"]
    assert mean["share_of_f1_binary"] == pytest.approx(share, abs=1e-5)
    assert any("times as fast" in line for line in messages)
    assert any("licence 'CC0-1.0'" in line for line in messages)


def _network(model: Model) -> torch.nn.Module:
    from autrt.model.load import load_network

    return load_network(model.members[0])


def opened(recipe: Recipe) -> Any:
    return open_distillation_data(recipe, ProcessGroup(), StopRequest(), "none", lambda _: None)


def test_teacher_outputs_match_their_pictures(
    pictures: Path, student_model: Model, cache: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path, pictures, student_model)
    with closing(opened(recipe)) as data:
        network = _network(student_model)
        columns = [student_model.au_names.index(name) for name in AUS]
        rows = np.array([3, 0, 11])
        draws = data.train_loader.load([_plain_draw(rows)])
        batch = next(iter(draws))
        x = (torch.tensor(batch.pixels).permute(0, 3, 1, 2).float() - 127.5) / 127.5
        with torch.no_grad():
            told = network(x)
        np.testing.assert_allclose(
            data.teacher_targets.train.logits(rows), told["logits"][:, columns], atol=1e-3
        )
        # Nobody knows landmarks and presence of these pictures: the teacher's outputs are the targets.
        np.testing.assert_allclose(data.train.landmarks[rows], told["landmarks"], atol=2e-2)
        assert (data.train.presence[rows] == (told["presence"][:, 0] > 0).numpy()).all()
        assert (data.train.labels == MISSING).any()
        assert not (data.plan.labels == MISSING).any()


def test_teacher_of_some_aus_leaves_others_to_labels(
    pictures: Path, student_model: Model, cache: Path, tmp_path: Path
) -> None:
    known, taught = AUS[0], AUS[1]
    specs = f'data.train=[{{kind="manifest", root="{pictures}", au_names=["{known}"]}}]'
    names = f"au_names={[known, taught]}"
    recipe = recipe_of(tmp_path, pictures, student_model, names, f'distill.au_names=["{taught}"]', specs)
    with closing(opened(recipe)) as data:
        told = data.teacher_targets.train.logits()
        assert np.isnan(told[:, 0]).all()
        assert np.isfinite(told[:, 1]).all()
        assert (data.train.labels[:, 0] != MISSING).any()
        assert (data.train.labels[:, 1] == MISSING).all()
        assert (data.plan.labels[:, 1] != MISSING).all()  # balanced by what the teacher says


def _plain_draw(rows: np.ndarray) -> Any:
    from autrt_train.loading.augment import AugmentConfig, draw_batch

    return draw_batch(rows, rows, 0, 0, AugmentConfig.none(), 0)


def test_signal_during_teacher_outputs_stops_the_run(
    pictures: Path, student_model: Model, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Teacher.infer

    def interrupted(self: Teacher, engines: Any, crops: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return answer(self, engines, crops)

    monkeypatch.setattr(Teacher, "infer", interrupted)
    monkeypatch.setattr("autrt_train.model_outputs.BATCH", 8)
    outcome = CliRunner().invoke(
        command,
        [
            str(written(tmp_path, pictures)),
            *("--teacher", str(student_model.path), "--out", str(tmp_path / "run"), "--progress", "none"),
        ],
    )
    assert outcome.exit_code == 128 + signal.SIGTERM
    assert "stopped before the first step; run the same command again" in outcome.output
    assert not (tmp_path / "run").exists()


def test_wrong_use_is_told_and_touches_nothing(
    pictures: Path, student_model: Model, cache: Path, tmp_path: Path
) -> None:
    for changes, message in (
        (["distill.teacher="], "names no teacher: expected a model's or an ensemble's folder"),
        (["distill.teacher=nobody"], "no model 'nobody'"),
        (['au_names=["AU99"]'], "has none of the AUs"),
        (['distill.au_names=["AU99"]'], "distill.au_names: AU99 is none of the AUs that are trained"),
        (['au_names=["AU1", "AU99"]'], "neither the labels nor the teacher know anything of AU99"),
        (["data.train=[]"], "names nothing to learn from"),
        (["distill.weight=1"], "distill.weight"),
    ):
        with pytest.raises((DataError, UsageError), match=message):
            run(recipe_of(tmp_path, pictures, student_model, *changes), tmp_path / "run")
    with pytest.raises(UsageError, match="the recipe smoke names no teacher: expected --teacher MODEL"):
        CliRunner().invoke(command, ["smoke", "--out", str(tmp_path / "run")], catch_exceptions=False)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smile, a man talking, and something that is no video."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("clips")
    for name in ("clip-smile", "clip-talk"):
        shutil.copy(fetched(name), folder / f"{name}.mp4")
    (folder / "bad.mp4").write_text("no video")
    return folder


def distil(recipe: Path, teacher: Model, clips: Path, out: Path, *more: str) -> Result:
    arguments = [str(recipe), "--teacher", str(teacher.path), "--videos", str(clips), "--out", str(out)]
    settings = ["fit.steps=2", "data.validation_most=10", "distill.every=8", *more]
    arguments += [part for change in settings for part in ("--set", change)]
    return CliRunner().invoke(command, [*arguments, "--progress", "none"], catch_exceptions=False)


def test_distill_command_trains_on_unlabelled_clips(
    student_model: Model, clips: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = written(tmp_path, None)
    first = distil(recipe, student_model, clips, tmp_path / "run")
    assert first.exit_code == 0, first.output
    assert "left out: bad.mp4" in first.output
    found = json.loads((tmp_path / "run" / "distill.json").read_text())
    assert found["judged_on"]["labels"] == "the teacher's decisions"
    assert found["data"]["labelled"] == 0
    assert found["data"]["faces_in_videos"] == 9 + 15
    assert "the teacher's decisions" in (tmp_path / "run" / "model" / "model.json").read_text()
    (crops,) = (cache / "crops").iterdir()
    before = {path: path.stat().st_mtime_ns for path in crops.rglob("*.jpg")}
    assert len(before) == 24

    monkeypatch.setattr(Teacher, "infer", None)  # nobody may ask again
    messages: list[str] = []
    again = Recipe.model_validate_json((tmp_path / "run" / "recipe.json").read_bytes())
    with closing(
        open_distillation_data(again, ProcessGroup(), StopRequest(), "none", messages.append)
    ) as data:
        assert data.digest() == checkpoint.load(tmp_path / "run" / "last.pt")["fingerprint"]["data"]
        # Whole videos judge, by the teacher's decisions; the pictures that are learnt from have no labels.
        assert not set(data.train.video.tolist()) & set(data.validation.video.tolist())
        assert (data.validation.labels != MISSING).all()
        assert (data.train.labels == MISSING).all()
    assert {path: path.stat().st_mtime_ns for path in crops.rglob("*.jpg")} == before


def test_labelled_pictures_and_videos_teach_together(
    pictures: Path, student_model: Model, clips: Path, cache: Path, tmp_path: Path
) -> None:
    videos = f'distill.videos=["{clips}"]'
    recipe = recipe_of(
        tmp_path, pictures, student_model, videos, "distill.every=12", "sampling.batches=balanced"
    )
    with closing(opened(recipe)) as data:
        assert data.teacher_targets is not None
        labelled = (data.train.labels != MISSING).any(1)
        assert (~labelled).sum() == data.teacher_targets.faces - data.teacher_targets.duplicates
        assert data.teacher_targets.faces == 6 + 10
        assert not data.teacher_targets.validated_by_teacher
        assert (data.plan.labels[~labelled] != MISSING).all()
        assert data.train.margin_px == 0
        assert np.isfinite(data.teacher_targets.train.logits()).all()
        before = data.digest()
    with closing(opened(recipe)) as data:
        assert data.digest() == before


def test_faces_of_videos_never_get_into_a_model_folder(
    student_model: Model, clips: Path, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"faces of the videos into the model folder.*reference=noise"):
        distil(written(tmp_path, None), student_model, clips, tmp_path / "run", "model.reference=validation")
