"""Whole training runs, small: `autrt_train.train.train` and the command."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from autrt.aus import authors_windows
from autrt.cli.train import command
from autrt.engine.graph import Graph
from autrt.engine.open import open_engine
from autrt.errors import UsageError
from autrt.model.folder import load_model
from autrt_train.fit import checkpoint
from autrt_train.fit.loop import TrainingLoop
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.losses import StabilityConfig, perturb
from autrt_train.read_recipe import read_recipe
from autrt_train.recipe import Recipe
from autrt_train.train import train
from autrt_train.training_data import open_data
from autrt_train.training_network import build_training_network, start_from
from autrt_train.types import DataError, TrainingError
from tests.support.command import autrt, start
from tests.support.data_sets import affwild2, jpeg
from tests.support.pictures import AUS, TINY_RECIPE, write_classes, write_pictures
from tests.support.ranks import PATIENCE_S, changes, torchrun

pytest_plugins = ("tests.support.training_runs",)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


BASE = f"""{TINY_RECIPE}
[augment]
flip = 0.5
brightness = 0.1
contrast = 0.1
saturation = 0.0
hue = 0.0

[optimiser]
name = "adamw"
lr = 1e-2
schedule = "constant"

[fit]
epochs = 6
batch = 24
precision = "f32"
"""


def recipe_of(tmp_path: Path, manifest: Path, *changes: str, base: str = BASE) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(base.replace("MANIFEST", str(manifest)))
    return read_recipe(str(path), changes)


def quiet(_: str) -> None:
    pass


def run(recipe: Recipe, folder: Path, **more: Any) -> Any:
    return train(recipe, folder, progress="none", log=quiet, **more)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / "last.pt")["learner"]


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


def test_a_run_learns_and_leaves_a_model_that_engines_run(pictures: Path, tmp_path: Path) -> None:
    report = run(
        recipe_of(
            tmp_path, pictures, "fit.epochs=25", "fit.validate_every=5", f"model.smoothing_windows.{AUS[1]}=4"
        ),
        tmp_path / "run",
    )
    assert report.finished
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    assert losses[-1] < 0.5 * losses[0]
    looks = [line for line in lines if line["event"] == "look"]
    assert max(line["f1_binary"] for line in looks) > 0.85
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert set(best) == {"overall", *AUS}
    assert all((tmp_path / "run" / entry["weights"]).is_file() for entry in best.values())
    model = load_model(tmp_path / "run" / "model")
    assert model.au_names == AUS
    authors = authors_windows(AUS)
    assert list(model.smoothing_windows) == [authors[0], 4, authors[2]]
    engine = open_engine(Graph.of(model.members[0]), cache=tmp_path / "cache")
    try:
        assert engine.infer({"pixels": np.zeros((2, 112, 112, 3), np.uint8)})["logits"].shape == (2, 3)
    finally:
        engine.close()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.usefixtures("weights_alone")
@pytest.mark.parametrize(
    "extra", [[], ["fit.ema=0.9", "sampling.batches=balanced", "sampling.resample=ml-ros"]]
)
def test_a_stopped_run_goes_on_bit_for_bit(pictures: Path, tmp_path: Path, extra: list[str]) -> None:
    recipe = recipe_of(tmp_path, pictures, "fit.epochs=2", *extra)
    run(recipe, tmp_path / "whole")
    with closing(open_data(recipe, ProcessGroup(), quiet)) as data:
        stop = threading.Event()
        fit = TrainingLoop(
            recipe, data, build_training_network(recipe, ()), tmp_path / "parts", ProcessGroup(), stop
        )
        stop.set()
        assert not fit.run(None)  # ends after its first step, in mid-epoch
        assert fit.progress.step == 1
    assert run(recipe, tmp_path / "parts", resume=True).finished
    assert_same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert json.loads((tmp_path / "parts" / "best.json").read_text()) == json.loads(
        (tmp_path / "whole" / "best.json").read_text()
    )


EXACT = (
    "fit.batch_norm=eval",
    "fit.dropout=0",
    "fit.steps=4",
    "optimiser.name=sgd",
    "optimiser.lr=0.01",
    "steady.weight=0.5",
)
"""Nothing that depends on how a batch is cut: BatchNorm as it stands, no dropout. Labels are smoothed, and some
pictures seen twice."""


def exact(pictures: Path, tmp_path: Path, *changes: str) -> Recipe:
    """A recipe of `EXACT` settings."""
    return recipe_of(tmp_path, pictures, *EXACT, *changes)


@pytest.mark.usefixtures("weights_alone")
def test_micro_batches_add_up_to_the_batch(pictures: Path, tmp_path: Path) -> None:
    run(exact(pictures, tmp_path), tmp_path / "whole")
    run(exact(pictures, tmp_path, "fit.micro_batch=7"), tmp_path / "micro")
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "micro")[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("weights_alone")
def test_stability_training_reduces_sensitivity_to_shifts(pictures: Path, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    config = StabilityConfig(shift_px=1.0)
    gaps: dict[str, float] = {}
    for weight in ("0", "1"):
        changes = (
            "fit.epochs=8",
            "loss.multi_label_reduction=label-sum",
        )  # gradients that teach enough in eight epochs
        recipe = recipe_of(tmp_path, pictures, *changes, f"steady.weight={weight}", "steady.shift_px=1")
        run(recipe, tmp_path / weight)
        training_network = build_training_network(recipe, ())
        training_network.load_state_dict(weights(tmp_path / weight))
        with closing(open_data(recipe, ProcessGroup(), quiet)) as data:
            every = np.arange(len(data.validation))
            (batch,) = data.validation_loader.load(unaugmented_draws(data.validation, every, len(every)))
        pixels = torch.as_tensor(batch.pixels)
        perturbations = torch.randn((len(pixels), 4), generator=rng)
        with torch.no_grad():
            told = training_network.eval()(pixels)["logits"]
            again = training_network(perturb(pixels, perturbations, config))["logits"]
        gaps[weight] = float(((told - again) / told.std(0)).square().mean())
    assert gaps["1"] < 0.5 * gaps["0"]


@pytest.mark.usefixtures("weights_alone")
def test_two_processes_equal_one(pictures: Path, tmp_path: Path) -> None:
    run(exact(pictures, tmp_path), tmp_path / "one")
    arguments = ["train", tmp_path / "recipe.toml", "--out", tmp_path / "two", "--progress", "none"]
    running = torchrun(2, "autrt", *arguments, *changes(EXACT))
    _, errors = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, errors
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], value, rtol=1e-4, atol=1e-6)
    assert load_model(tmp_path / "two" / "model").au_names == AUS


@pytest.mark.usefixtures("weights_alone")
def test_ctrl_c_saves_and_resume_goes_on(pictures: Path, tmp_path: Path) -> None:
    recipe_of(tmp_path, pictures)
    place = ("--out", tmp_path / "run")
    running = start(
        "train", tmp_path / "recipe.toml", *place, "--set", "fit.epochs=1000", "--progress", "json"
    )
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line)["step"] >= 4:
            break
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    step = checkpoint.load(tmp_path / "run" / "last.pt")["step"]
    assert step >= 4
    assert (
        run(recipe_of(tmp_path, pictures, f"fit.steps={step + 2}"), tmp_path / "run", resume=True).steps
        == step + 2
    )


@pytest.mark.usefixtures("weights_alone")
def test_starts_are_carried_over(tmp_path: Path) -> None:
    size = "change = { depth = 18, width = 0.125, ssh_channels = 8, level_features = 32 }"
    base = BASE.replace("change = { width = 4, squeeze = 8 }", size).replace("student-16", "paper")
    faces = write_classes(tmp_path / "faces")
    for task, kind in (("identity", "identity"), ("expression", "expression")):
        text = base.replace('kind = "manifest"', f'kind = "{kind}"')
        recipe = recipe_of(
            tmp_path, faces, f"task={task}", "fit.steps=3", "fit.batch=8", "fit.validate_every=100", base=text
        )
        assert run(recipe, tmp_path / task).finished
        start = json.loads((tmp_path / task / "best.json").read_text())["overall"]["weights"]
        own = recipe_of(
            tmp_path, faces, f"start.checkpoint={tmp_path / task / start}", 'start.skip=["au"]', base=base
        )
        network = build_training_network(own, ()).network
        before = {name: value.clone() for name, value in network.state_dict().items()}
        messages: list[str] = []
        start_from(network, own, messages.append)
        assert "entries matched" in messages[0]
        perturb = {
            name.split(".")[0]
            for name, value in network.state_dict().items()
            if not torch.equal(value, before[name])
        }
        assert "backbone" in perturb
        assert "au" not in perturb


@pytest.mark.usefixtures("weights_alone")
def test_nan_loss_ends_the_run_and_keeps_the_checkpoint(pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, pictures, "fit.epochs=1")
    run(recipe, tmp_path / "run")
    before = weights(tmp_path / "run")
    wild = recipe_of(tmp_path, pictures, "optimiser.name=sgd", "optimiser.lr=1e30", "fit.save_every_s=0.001")
    with pytest.raises(TrainingError, match=r"step \d+: .*(is nan|is inf|run away)"):
        run(wild, tmp_path / "wild")
    assert_same(weights(tmp_path / "run"), before)


@pytest.mark.usefixtures("weights_alone")
def test_wrong_use_is_told_and_touches_nothing(pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, pictures, "fit.epochs=1")
    run(recipe, tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run: go on with --resume"):
        run(recipe, tmp_path / "run")
    with pytest.raises(UsageError, match="another recipe or other data"):
        run(recipe_of(tmp_path, pictures, "optimiser.lr=0.5"), tmp_path / "run", resume=True)
    with pytest.raises(UsageError, match="found nothing"):
        run(recipe, tmp_path / "new", resume=True)
    with pytest.raises(UsageError, match=r"fp16.*needs a GPU"):
        run(recipe_of(tmp_path, pictures, "fit.precision=fp16"), tmp_path / "new")
    with pytest.raises((DataError, UsageError), match=str(tmp_path / "nowhere")):
        run(recipe_of(tmp_path, tmp_path / "nowhere"), tmp_path / "new")
    with pytest.raises(DataError, match="names no training data"):
        run(recipe_of(tmp_path, pictures, "data.train=[]"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_train_command_lists_recipes_and_shows_costs() -> None:
    listed = CliRunner().invoke(command, [])
    assert listed.exit_code == 0
    assert "ablation/12-data" in listed.stdout
    shown = CliRunner().invoke(command, ["paper", "--dry-run"])
    assert shown.exit_code == 0, shown.stderr
    assert "parameters 192.6 M" in shown.stdout
    assert "25.86 GFLOP" in shown.stdout
    assert "17.12 GB for 256 pictures at a time" in shown.stdout
    assert "AUTRT_AFFWILD2" in shown.stdout


def test_the_smoke_recipe_trains_on_rendered_faces(tmp_path: Path) -> None:
    small = ["data.render.people=12", f"data.render.root={tmp_path / 'faces'}", "fit.steps=6", "fit.batch=16"]
    done = autrt(
        "train", "smoke", "--out", tmp_path / "run", *(p for change in small for p in ("--set", change))
    )
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "run" / "model").au_names[0] == "AU1"


def test_check_data_reports_untrainable_data_too(pictures: Path, tmp_path: Path) -> None:
    recipe_of(tmp_path, pictures)
    arguments = (str(tmp_path / "recipe.toml"), "--check-data", "--out", str(tmp_path / "run"))
    good = CliRunner().invoke(command, arguments)
    assert good.exit_code == 0, good.stderr
    bad = autrt("train", *arguments, "--set", 'au_names=["AU1", "AU4"]')
    assert bad.returncode == 2
    assert "AU4 has no label in any picture" in bad.stderr
    assert "Traceback" not in bad.stderr
    report = json.loads((tmp_path / "run" / "data.json").read_text())
    assert report["parts"]["train"]["aus"]["AU1"]["positive"] > 0
    assert any("AU4" in line for line in report["problems"])


def test_check_data_tells_issues_of_each_part_apart(tmp_path: Path) -> None:
    """Training and validation data lie below one root, as Aff-Wild2's do."""
    row = ",".join(["1", "0"] + ["1"] * 10)
    affwild2(tmp_path, {"a": [row, row, row], "gone": [row]}, "Train_Set")
    affwild2(tmp_path, {"b": [row, row]}, "Validation_Set")
    for video, numbers in (("a", (1, 3)), ("b", (2,))):
        for number in numbers:
            jpeg(tmp_path / "cropped_aligned" / video / f"{number:05d}.jpg", value=number)
    specs = [
        f'data.{part}=[{{kind="affwild2", root="{tmp_path}", split="{part}"}}]'
        for part in ("train", "validation")
    ]
    recipe_of(tmp_path, tmp_path)
    arguments = [str(tmp_path / "recipe.toml"), "--check-data", "--out", str(tmp_path / "run")]
    arguments += [word for spec in specs for word in ("--set", spec)]
    done = CliRunner().invoke(command, arguments)
    findings = json.loads((tmp_path / "run" / "data.json").read_text())["findings"]
    counts = {
        name.partition(":")[0]: {kind: n["count"] for kind, n in found.items()}
        for name, found in findings.items()
    }
    assert counts == {
        "train": {"missing_frames": 1, "row_mismatches": 1, "videos_without_pictures": 1},
        "validation": {"missing_frames": 1, "row_mismatches": 1},
    }
    for line in ("train: affwild2", "a: frame 2", "gone", "validation: affwild2", "b: frame 1"):
        assert line in done.stdout + done.stderr


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    manifest = write_pictures(tmp_path / "pictures", count=24)
    for picture in (tmp_path / "pictures").glob("*.png"):
        picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"\.png"):
        run(recipe_of(tmp_path, manifest), tmp_path / "run")


@pytest.mark.parametrize("recipe", ["finetune", "temporal"])
def test_several_processes_are_refused_where_one_trains(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = CliRunner().invoke(command, [recipe, "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, UsageError)
    assert "found 2 (WORLD_SIZE)" in str(done.exception)
    assert not (tmp_path / "run").exists()
