"""`autrt ensemble` from runs to a folder that engines run."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner, Result

from autrt.aus import authors_windows
from autrt.cli.ensemble import command
from autrt.engine.build import build
from autrt.errors import AutrtError
from autrt.model.folder import Model, load_model
from autrt.model.load import load_network
from autrt.postprocess.ensemble import combine, sigmoid
from autrt_train.ensembling import candidate_logits as logits_module
from autrt_train.ensembling.candidate_logits import weights_digest
from autrt_train.ensembling.candidates import Candidate, read_sources
from autrt_train.ensembling.validation_pictures import data_digest
from autrt_train.fit.best_checkpoints import OVERALL, BestCheckpoints
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.validate import predict
from autrt_train.loading.loader import open_loader
from autrt_train.metrics import au_scores, best_thresholds
from autrt_train.read_recipe import read_recipe, recipe_json
from autrt_train.selection import SCORES, SelectBy, score_aus
from autrt_train.smooth_pictures import smooth_pictures
from autrt_train.train import RECIPE_FILE
from autrt_train.training_data import index_data
from autrt_train.training_network import TrainingNetwork, build_training_network
from autrt_train.types import DataError, Index
from tests.support.pictures import AUS, write_pictures

RECIPE = """
about = "a test"
au_names = ["AU1", "AU12", "AU25"]

[network]
preset = "student-16"
change = {{ width = 4, squeeze = 8 }}

[data]
train = [{{ kind = "manifest", root = "{train}" }}]
validation = [{{ kind = "manifest", root = "{validation}" }}]

[optimiser]
name = "adamw"
lr = 1e-2
schedule = "constant"

[fit]
epochs = 4
batch = 24
precision = "f32"

[model]
licence = "CC0-1.0"
"""


def untrained(recipe: Path, folder: Path, *changes: str, looks: int = 1) -> Path:
    """What a run leaves that learnt nothing: at each look other weights are the best, overall and then of AUs."""
    settings = read_recipe(str(recipe), changes)
    best = BestCheckpoints(folder)
    for look, name in enumerate((OVERALL, *AUS)[:looks], 1):
        network = build_training_network(
            settings.model_copy(update={"seed": settings.seed + look}), ("a", "b")
        ).network
        best.consider(look, {name: 0.5}, network.state_dict())
    (folder / RECIPE_FILE).write_text(recipe_json(settings))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one recipe, `one` and `two`, as `autrt train` leaves them but untrained, and their data."""
    place = tmp_path_factory.mktemp("ensembling")
    data = {
        "train": write_pictures(place / "train"),
        "validation": write_pictures(place / "validation", count=64, seed=1),
    }
    (place / "recipe.toml").write_text(RECIPE.format(**data))
    untrained(place / "recipe.toml", place / "one", "seed=7")
    untrained(place / "recipe.toml", place / "two", looks=2)
    return place


@pytest.fixture(autouse=True)
def _own_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTRT_CACHE", str(place / "cache"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])


def done(*arguments: object) -> Result:
    outcome = run(*arguments)
    assert outcome.exit_code == 0, outcome.output + str(outcome.exception)
    return outcome


def refused(*arguments: object) -> str:
    outcome = run(*arguments)
    assert isinstance(outcome.exception, AutrtError), outcome.output + str(outcome.exception)
    assert outcome.exception.exit_code == 2
    return str(outcome.exception)


def sources_of(place: Path) -> list[Candidate]:
    names = [str(place / "one"), str(place / "two")]
    return [candidate for source in read_sources(names) for candidate in source.candidates]


def validation(place: Path) -> Index:
    return index_data(read_recipe(str(place / "recipe.toml")), ProcessGroup(), lambda _: None).validation


def logits_of(model: Model, index: Index) -> np.ndarray:
    """(N, M, A) by torch, from the folder's weights."""
    with closing(open_loader("opencv", index)) as loader:
        each = [
            predict(TrainingNetwork(load_network(m)), index, loader, ProcessGroup(), "logits")
            for m in model.members
        ]
    return np.stack(each, axis=1)


def notes(folder: Path) -> dict:
    return json.loads((folder / "ensemble.json").read_text())["notes"]


@pytest.fixture(scope="module")
def made(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The ensemble of both runs, and what the command said."""
    out = tmp_path_factory.mktemp("made") / "both"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTRT_CACHE", str(place / "cache"))
        return out, done(place / "one", place / "two", "--select-by", "f1_binary_best", "--out", out).output


def test_runs_become_an_ensemble_of_each_aus_best_checkpoint(place: Path, made: tuple[Path, str]) -> None:
    model, index, messages = load_model(made[0]), validation(place), notes(made[0])
    assert model.au_names == AUS
    assert (model.weights.max(0) == 1).all()
    assert (model.weights.sum(0) == 1).all()
    assert (model.weights.sum(1) > 0).all()  # who is of no use is not there
    assert model.licence == "CC0-1.0"
    model.verify()

    mixed = sigmoid(combine(logits_of(model, index), model.weights))
    np.testing.assert_allclose(model.thresholds, best_thresholds(mixed, index.labels), atol=1e-6)
    candidates = [
        c for source in read_sources([str(place / "one"), str(place / "two")]) for c in source.candidates
    ]
    best: list[np.ndarray] = []
    with closing(open_loader("opencv", index)) as loader:
        for candidate in candidates:
            told = sigmoid(
                predict(TrainingNetwork(candidate.network()), index, loader, ProcessGroup(), "logits")
            )
            best.append(au_scores(told, index.labels, best_thresholds(told, index.labels)).f1_binary)
    own = au_scores(mixed, index.labels, best_thresholds(mixed, index.labels)).f1_binary
    np.testing.assert_allclose(own, np.max(best, axis=0), atol=1e-6)
    assert messages["candidates"] == len({weights_digest(c.network()) for c in candidates})


def test_ensemble_report_lists_members_and_scores(place: Path, made: tuple[Path, str]) -> None:
    model, messages, output = load_model(made[0]), notes(made[0]), made[1]
    assert [m["name"] for m in messages["members"]] == [m.name for m in model.members]
    for member, row in zip(messages["members"], model.weights, strict=True):
        assert member["weights"] == {au: 1.0 for au, w in zip(AUS, row, strict=True) if w}
        assert member["without"] is not None
        assert member["name"] in output
    assert messages["pictures"] == len(validation(place))
    held_out = messages["held_out"]
    gain = held_out["ensemble"]["mean"] - held_out["best_single"]["mean"]
    assert held_out["gain"]["mean"] == pytest.approx(gain, abs=2e-4)
    assert held_out["gain"]["low"] <= held_out["gain"]["high"]
    assert f"{held_out['ensemble']['mean']:.4f}" in output
    metric = json.loads((made[0] / "ensemble.json").read_text())["metrics"][0]
    assert (metric["name"], metric["value"]) == ("f1_binary", held_out["ensemble"]["mean"])
    assert "held out" in metric["data_set"]


def test_engines_compute_what_the_ensemble_does(made: tuple[Path, str], tmp_path: Path) -> None:
    model = load_model(made[0])
    reports = build(model, cache=tmp_path)
    assert [report.member for report in reports] == [m.name for m in model.members]
    assert all(report.parity.errors["logits"].max < 1e-3 for report in reports)


def test_ensemble_reuses_cached_logits(
    place: Path, made: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))
    data = ("--labels", f"manifest={place / 'validation' / 'labels.csv'}")
    arguments = (made[0], "--select", "simplex-shared", *data)
    first = done(*arguments, "--out", tmp_path / "a")
    np.testing.assert_allclose(load_model(tmp_path / "a").weights.sum(0), 1, atol=1e-5)

    def broken(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(logits_module, "predict_with_each", broken)
    again = done(*arguments, "--out", tmp_path / "b")
    assert again.stdout.replace(str(tmp_path / "b"), "") == first.stdout.replace(str(tmp_path / "a"), "")
    assert load_model(tmp_path / "a").digest == load_model(tmp_path / "b").digest
    sorted((place / "validation").glob("*.png"))[0].touch()
    assert isinstance(run(*arguments, "--out", tmp_path / "c").exception, AssertionError)
    assert not (tmp_path / "c").exists()


def test_network_named_in_many_ways_is_one_member(
    place: Path, made: tuple[Path, str], tmp_path: Path
) -> None:
    member = load_model(made[0]).members[0]
    checkpoint = Path(notes(made[0])["members"][0]["origins"][0])
    out = ("--out", tmp_path / "out", "--thresholds", "0.5", "--select", "greedy")
    done(member.path, checkpoint, checkpoint, *out)
    model, messages = load_model(tmp_path / "out"), notes(tmp_path / "out")
    assert [m.name for m in model.members] == [member.name]
    assert model.weights.tolist() == [[1.0] * 3]
    assert model.thresholds.tolist() == [0.5] * 3
    assert messages["candidates"] == 1
    assert messages["members"][0]["origins"] == [str(member.path), str(checkpoint)]
    assert messages["members"][0]["without"] is None
    assert model.network_digests == (member.network_digest,)
    assert "exists" in refused(place / "one", "--out", tmp_path / "out")


def test_ensemble_refuses_wrong_members(place: Path, made: tuple[Path, str], tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "found nothing" in refused(place / "three", *out)
    assert "a folder without them" in refused(place / "train", *out)
    assert "another file" in refused(place / "one" / "recipe.json", *out)
    assert "nothing says what to validate on" in refused(made[0], *out)
    faces = untrained(place / "recipe.toml", tmp_path / "faces", "task=expression")
    assert "found the task 'expression'" in refused(faces, *out)
    fewer = untrained(place / "recipe.toml", tmp_path / "fewer", 'au_names=["AU1", "AU12"]')
    assert "share the AUs" in refused(place / "one", fewer, *out)
    many = [untrained(place / "recipe.toml", tmp_path / f"run{i}", f"seed={i}") for i in range(8)]
    assert "8 sources can be mixed in 19,448 ways" in refused(*many, *out, "--select", "simplex")
    (many[0] / "weights" / "0001.pt").write_bytes(b"no weights")
    assert "expected a PyTorch checkpoint" in refused(many[0], *out)
    (many[0] / "weights" / "0001.pt").unlink()
    assert "which is not there" in refused(many[0], *out)
    assert not (tmp_path / "out").exists()


def test_ensemble_refuses_pictures_that_were_trained_on(place: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    told = refused(place / "one", *out, "--labels", f"manifest={place / 'train' / 'labels.csv'}")
    assert "96 of 96 pictures" in told
    assert "were trained on by one" in told
    parted = [
        untrained(
            place / "recipe.toml", tmp_path / share, "data.validation=[]", f"data.validation_share={share}"
        )
        for share in ("0.2", "0.5")
    ]
    assert "data.validation_share differs (0.2 and 0.5)" in refused(*parted, *out)
    alone = untrained(place / "recipe.toml", tmp_path / "alone", "data.validation=[]")
    assert "of 1 videos or persons" in refused(alone, *out)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        (["data.validation_most=20"], r"data\.validation_most differs \(None and 20\)"),
        (["data.validation=[]", "seed=3"], r"data\.validation differs"),
    ],
)
def test_the_cause_of_different_validation_data_is_named(
    place: Path, tmp_path: Path, changes: list[str], cause: str
) -> None:
    other = untrained(place / "recipe.toml", tmp_path / "other", *changes)
    told = refused(place / "one", other, "--out", tmp_path / "out")
    assert re.search(cause, told)
    assert ("each seed (7 and 3)" in told) == ("seed=3" in changes)


@pytest.mark.parametrize("select_by", get_args(SelectBy))
def test_members_are_selected_by_the_score_that_is_asked_for(
    place: Path, tmp_path: Path, select_by: SelectBy
) -> None:
    data = ("--labels", f"manifest={place / 'validation' / 'labels.csv'}", "--image-rate", "30")
    output = done(
        place / "one", place / "two", *data, "--select-by", select_by, "--out", tmp_path / "out"
    ).output
    messages, index = notes(tmp_path / "out"), validation(place)
    assert messages["select_by"] == select_by
    assert set(messages["held_out"]["means"]) == {"f1_posneg", "f1_binary"}
    assert "mean f1_posneg" in output
    assert "mean f1_binary" in output
    smoothed = not select_by.endswith("_raw")
    for member in messages["members"]:
        (candidate,) = {c.origin: c for c in sources_of(place) if c.origin in member["origins"]}.values()
        with closing(open_loader("opencv", index)) as loader:
            logits = predict(TrainingNetwork(candidate.network()), index, loader, ProcessGroup(), "logits")
        if smoothed:
            logits = smooth_pictures(logits, index, 30, authors_windows(AUS))
        expected = np.nanmean(score_aus(logits, index.labels, SCORES[select_by]))
        assert member["alone"] == pytest.approx(expected, abs=1e-4)


def test_candidates_share_one_pass_over_the_pictures(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))
    passes: list[int] = []
    real = logits_module.predict_with_each

    def counted(networks, *rest):
        passes.append(len(networks))
        return real(networks, *rest)

    monkeypatch.setattr(logits_module, "predict_with_each", counted)
    done(place / "one", place / "two", "--out", tmp_path / "together")
    monkeypatch.setattr(logits_module, "TOGETHER_BYTES", 0)
    done(place / "one", place / "two", "--precision", "bf16", "--out", tmp_path / "apart")
    assert passes == [3, 1, 1, 1]


def test_the_data_digest_follows_pictures_and_labels(place: Path) -> None:
    index = validation(place)
    other = index.labels.copy()
    other[0, 0] = 1 - abs(other[0, 0])
    changed = replace(index, labels=other)
    assert len({data_digest(index), data_digest(changed), data_digest(index.take(slice(0, 5)))}) == 3
    assert data_digest(index) == data_digest(validation(place))
    gone = replace(index, paths=np.char.add(index.paths, b"x"))
    with pytest.raises(DataError, match=r"00000\.pngx cannot be read"):
        data_digest(gone)
