from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from autrt.errors import UsageError
from autrt.model.architectures import build_network
from autrt.model.folder import load_model
from autrt.model.presets import preset
from autrt_train.read_recipe import read_recipe, recipe_json, recipe_names, require_places
from autrt_train.recipe import Recipe
from autrt_train.training_network import architecture, start_from

ROWS = [name for name in recipe_names() if re.match(r"ablation/\d+-", name)]


def flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for name, inner in value.items() for k, v in flat(inner, f"{key}.{name}").items()}
    return {key: value}


def settings(name: str) -> dict[str, Any]:
    return flat(read_recipe(name).model_dump(mode="json"))


def changed(before: str, after: str) -> set[str]:
    a, b = settings(before), settings(after)
    return {key.lstrip(".") for key in a.keys() | b.keys() if a.get(key) != b.get(key)} - {"about", "cost"}


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_are_valid_and_described(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.about
    assert recipe.cost
    preset(recipe.network.preset)
    assert Recipe.model_validate_json(recipe_json(recipe)) == recipe


def test_the_recipes_of_the_paper_are_there() -> None:
    names = recipe_names()
    assert [name[9:11] for name in ROWS] == [f"{row:02}" for row in range(1, 13)]
    assert {"paper", "paper-code", "pretrain-id", "pretrain-expr", "pretrain-au15", "student"} <= set(names)
    assert len([name for name in names if name.startswith("finetune-")]) == 3


def test_the_papers_training_is_the_papers() -> None:
    recipe = read_recipe("paper")
    optimiser, fit = recipe.optimiser, recipe.fit
    assert (optimiser.name, optimiser.lr, optimiser.momentum, optimiser.weight_decay) == (
        "sgd",
        1e-3,
        0.9,
        5e-4,
    )
    assert (optimiser.schedule, optimiser.milestones) == ("steps", (4, 6, 8))
    assert (fit.batch, fit.epochs) == (256, 15)


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("01-r100", "02-glint", {"start.checkpoint"}),
        ("02-glint", "02b-resampling", {"sampling.resample"}),
        ("02b-resampling", "03-balancing", {"sampling.batches"}),
        ("03-balancing", "04-multi-label", {"loss.bce", "loss.multi_label"}),  # one in place of the other
        ("04-multi-label", "05-coordinate-attention", {"network.preset"}),
        ("05-coordinate-attention", "06-spatial-attention", {"network.preset"}),
        ("06-spatial-attention", "07-label-smoothing", {"loss.smooth_terms"}),
        ("07-label-smoothing", "07b-bce", {"loss.bce", "loss.bce_weights"}),  # a term with its weights
        ("07b-bce", "08-bce", {"loss.smooth_terms"}),
        ("08-bce", "09-fpn", {"network.preset"}),
        ("09-fpn", "10-batch-256", {"fit.batch"}),
        ("10-batch-256", "11-ssh", {"network.preset"}),
        ("11-ssh", "12-data", {"network.preset", "data.train"}),  # two names of one network
    ],
)
def test_each_row_of_the_ablation_adds_its_method_alone(before: str, after: str, keys: set[str]) -> None:
    assert changed(f"ablation/{before}", f"ablation/{after}") == keys
    if "network.preset" in keys:
        assert (preset(f"ablation/{before}") == preset(f"ablation/{after}")) == (after == "12-data")


def test_the_last_row_of_the_ablation_is_the_paper_but_for_its_data() -> None:
    assert changed("ablation/12-data", "paper") == {
        "network.preset",
        "sampling.resample",
        "data.train",
    }
    assert preset("ablation/12-data") == preset("paper")


def test_paper_code_changes_what_the_authors_code_has_otherwise() -> None:
    assert changed("paper", "paper-code") == {
        "network.preset",
        "augment.jitter_probability",
        "loss.bce_weighting",
        "loss.bce_reduction",
        "loss.multi_label_weights",
        "loss.multi_label_reduction",
    }


def test_recipe_extends_another_and_set_overrides(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('extends = "smoke"\nabout = "base"\n[fit]\nbatch = 32\nepochs = 3\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[fit]\nepochs = 4\n')
    recipe = read_recipe(
        str(tmp_path / "mine.toml"), ["optimiser.lr=0.5", "fit.precision=f32", "heads.presence=0"]
    )
    assert recipe.about == "base"
    assert (recipe.fit.batch, recipe.fit.epochs) == (32, 4)
    assert (recipe.optimiser.lr, recipe.fit.precision, recipe.heads.presence) == (0.5, "f32", 0)


def test_set_reaches_items_of_lists() -> None:
    recipe = read_recipe("paper", ["data.train.0.root=/somewhere"])
    assert str(recipe.data.train[0].root) == "/somewhere"
    with pytest.raises(UsageError, match="no item of a list of 1"):
        read_recipe("paper", ["data.train.3.root=/somewhere"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["fit.epochz=3"], "fit.epochz"),
        (["fit.epochs=many"], "fit.epochs"),
        (["fit.epochs"], "expected section.key=value"),
        (["optimiser.lr=-1"], "optimiser.lr"),
        (["fit.micro_batch=999"], "micro_batch"),
        (["model.smoothing_windows.AU9=3"], "AU9 is none of the AUs"),
        (["model.smoothing_windows.AU25=0"], "smoothing_windows.AU25"),
        (["steady.weight=-1"], "StabilityConfig.weight: expected 0 or more"),
        (["steady.share=0"], "StabilityConfig.share"),
        (["task=expression", "steady.weight=1"], "steady.weight: compares AU logits"),
        (["about.more=1"], "no section"),
    ],
)
def test_a_bad_setting_is_named(changes: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_recipe("smoke", changes)


def test_bad_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no recipe 'nothing'.*smoke"):
        read_recipe("nothing")
    (tmp_path / "broken.toml").write_text("fit = [")
    with pytest.raises(UsageError, match="is no TOML file"):
        read_recipe(str(tmp_path / "broken.toml"))
    (tmp_path / "loop.toml").write_text('extends = "loop.toml"')
    with pytest.raises(UsageError, match="cannot extend itself"):
        read_recipe(str(tmp_path / "loop.toml"))


def test_places_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTRT_AFFWILD2", raising=False)
    monkeypatch.setenv("AUTRT_GLINT360K", "/w/backbone.pth")
    recipe = read_recipe("paper")
    assert recipe.start.checkpoint == "/w/backbone.pth"
    with pytest.raises(
        UsageError, match=r"data\.train\.0\.root.*AUTRT_AFFWILD2 is not set.*--set data\.train\.0\.root"
    ):
        require_places(recipe)
    monkeypatch.setenv("AUTRT_AFFWILD2", "/data")
    require_places(read_recipe("paper"))


def test_a_packaged_model_is_a_start(tmp_path: Path) -> None:
    network = build_network(architecture(read_recipe("distill-again")))
    messages: list[str] = []
    start_from(network, read_recipe("distill-again"), messages.append)
    packaged = load_file(load_model("student").members[0].weights)
    assert all(torch.equal(value, packaged[name]) for name, value in network.state_dict().items())
    assert "kept as they were in the network: 0" in messages[0]
    with pytest.raises(UsageError, match="no model"):
        start_from(network, read_recipe("distill-again", [f"start.checkpoint={tmp_path}"]), messages.append)
