"""Temporal networks from results and labels: `autrt train temporal`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from autrt.errors import UsageError
from autrt.pipeline.sink import ResultsSink
from autrt.results.outputs import features_column
from autrt.types import Block, Faces
from autrt_train.read_recipe import read_recipe
from autrt_train.stop_request import StopRequest
from autrt_train.temporal.fit import fit_temporal, validation_loss
from autrt_train.temporal.run import train_temporal
from autrt_train.temporal.sequences import VideoSequence, split_sequences
from autrt_train.temporal.windows import tick_runs, window_batches
from autrt_train.types import MISSING, DataError
from tests.support.command import autrt
from tests.support.results import header
from tests.support.ticks import small_network

pytest_plugins = ("tests.support.model_fixtures",)

RATE = 25


def quiet(_: object = None) -> None:
    pass


def sequence(seed: int, n: int = 200, group: int | None = None) -> VideoSequence:
    """A face whose AU1 follows its first feature by half a second; its logits are noise."""
    rng = np.random.default_rng(seed)
    cause = np.repeat(rng.integers(0, 2, n // 20 + 2), 20)[: n + 12]
    features = np.stack([2.0 * cause[12:] - 1, rng.normal(size=n)], axis=1).astype(np.float16)
    labels = np.full((n, 3), MISSING, np.int8)
    labels[::2, 0] = cause[:n][::2]
    return VideoSequence(
        file=Path(f"{seed}.h5"),
        group=seed if group is None else group,
        logits=rng.normal(size=(n, 3)).astype(np.float32),
        features=features,
        labels=labels,
        track=np.zeros(n, np.int32),
        time_s=np.arange(n) / RATE,
        interval_s=1 / RATE,
    )


def fitted(folder: Path, resume: bool = False, epochs: int = 12, **changes):
    recipe = read_recipe(
        "temporal", ["temporal.lr=0.01", "temporal.window_s=4", f"temporal.epochs={epochs}", "seed=3"]
    )
    network = small_network(features=2, kernel=5, layers=3, feature_dropout=0.0)
    torch.nn.init.zeros_(network.au.weight)
    train = [sequence(seed) for seed in range(6)]
    folder.mkdir(exist_ok=True)
    halt = changes.pop("halt", StopRequest())
    log = changes.pop("log", quiet)
    return fit_temporal(
        network, train, [sequence(90), sequence(91)], recipe, folder, resume=resume, halt=halt, log=log
    )


def test_network_learns_what_windows_cannot(tmp_path):
    new = small_network(features=2)
    torch.nn.init.zeros_(new.au.weight)
    before = validation_loss(new, [sequence(90), sequence(91)])
    found = fitted(tmp_path / "run")
    assert found.finished
    assert found.state.best_loss < 0.75 * before
    assert validation_loss(found.network, [sequence(90), sequence(91)]) == pytest.approx(
        found.state.best_loss
    )
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))


def test_resumed_fit_equals_an_uninterrupted_one(tmp_path):
    whole = fitted(tmp_path / "whole", epochs=4)
    halt = StopRequest()
    stopped = fitted(
        tmp_path / "run", epochs=4, halt=halt, log=lambda line: "epoch 2" in line and halt.ask(15)
    )
    assert not stopped.finished
    assert stopped.state.epoch == 2
    resumed = fitted(tmp_path / "run", epochs=4, resume=True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_windows_have_every_label_once_and_are_masked_elsewhere():
    one = sequence(1)
    gap = one.time_s + np.where(np.arange(200) >= 100, 3.0, 0.0)
    parts = tick_runs([VideoSequence(**{f: getattr(one, f) for f in one.__slots__} | {"time_s": gap})])
    assert len(parts) == 2
    known = sum((part.labels != MISSING).sum() for part in parts)
    assert known == (one.labels != MISSING).sum()
    batches = list(window_batches(parts, 50, 3, np.random.default_rng(0)))
    assert sum((b.labels != MISSING).sum() for b in batches) == known
    assert all((b.labels[b.known == 0] == MISSING).all() for b in batches)
    assert all((b.inputs[b.known == 0] == 0).all() for b in batches)


def test_nobody_is_on_both_sides():
    videos = [sequence(seed, group=seed // 2) for seed in range(12)]
    for seed in range(5):
        train, validation = split_sequences(videos, 0.25, seed)
        assert len(train) + len(validation) == 12
        assert {one.group for one in train}.isdisjoint({one.group for one in validation})
    with pytest.raises(DataError, match="at least two people"):
        split_sequences(videos[:2], 0.25, 0)


# From results to a model


def write_video(folder: Path, name: str, model, seed: int, features: bool = True) -> np.ndarray:
    """Results of one face, whose AU12 is early in the features; returns its labels."""
    one = sequence(seed, n=150)
    n = len(one.track)
    seen = np.zeros((n, 128), np.float32)
    seen[:, :2] = one.features
    logits = np.tile(one.logits, (1, 4))
    faces = Faces(
        row=np.arange(n),
        boxes=np.tile(np.array([0, 0, 50, 50], np.float32), (n, 1)),
        landmarks=np.tile(np.arange(10, dtype=np.float32).reshape(1, 5, 2), (n, 1, 1)),
        score=np.ones(n, np.float32),
        track=np.zeros(n, np.int32),
        source=np.zeros(n, np.uint8),
    )
    head = header(
        n_aus=12,
        members=("student",),
        au_names=model.au_names,
        network_digests=model.network_digests,
    )
    outputs = (features_column(model),) if features else ()
    sink = ResultsSink(folder / f"{name}.h5", head, model.weights, outputs=outputs)
    index = np.arange(n)
    sink.write(
        Block(
            index=index,
            pts=index,
            time_s=one.time_s,
            damaged=np.zeros(n, bool),
            faces=faces,
            outputs={"logits": logits[:, None], "features": seen},
        )
    )
    sink.finish([], 0)
    return one.labels[:, 0]


@pytest.fixture(scope="module")
def films(tmp_path_factory, student_model):
    """Results with features of six videos, and a table of their labels."""
    folder = tmp_path_factory.mktemp("films")
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "frame", "AU12"])
        for seed in range(6):
            labels = write_video(folder / "results", f"v{seed}.mp4", student_model, seed)
            table.writerows([f"v{seed}.mp4", i + 1, label] for i, label in enumerate(labels.tolist()))
    return folder


def run_of(films, model, *changes: str):
    labels = f'[{{kind="manifest", root="{films}/labels.csv"}}]'
    return read_recipe(
        "temporal",
        [
            f'temporal.train.results=["{films}/results"]',
            f"temporal.train.labels={labels}",
            f'temporal.start="{model.path}"',
            "temporal.epochs=1",
            "temporal.change={width=8, layers=2}",
            *changes,
        ],
    )


@pytest.mark.slow
def test_command_writes_a_model_that_is_the_start_and_a_network(films, student_model, tmp_path):
    done = autrt(
        *("train", "temporal"),
        *("--results", films / "results", "--labels", f"manifest={films / 'labels.csv'}"),
        *("--model", student_model.path, "--out", tmp_path / "run"),
        *("--set", "temporal.epochs=1", "--set", "temporal.change={width=8, layers=2}"),
    )
    assert done.returncode == 0, done.stderr
    assert "gain over windows" in done.stdout
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["gain"]["auc"]["value"]["AU12"] is not None
    assert report["gain"]["auc"]["value"]["AU1"] is None
    stated = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert stated["schema"] == "autrt-model/2"
    assert stated["temporal"]["features"] == 128
    assert str(films) not in json.dumps(stated)


def test_what_cannot_be_learnt_from_is_refused(films, student_model, full_model, tmp_path):
    def refused(message, recipe, folder=tmp_path / "run"):
        with pytest.raises(UsageError, match=message):
            train_temporal(recipe, folder, halt=StopRequest(), log=quiet, report=quiet)
        assert not (folder / "model").exists()

    refused("those of other networks", run_of(films, full_model))
    refused("expected results and labels", run_of(films, student_model, "temporal.train.labels=[]"))
    write_video(tmp_path / "bare", "v0.mp4", student_model, 0, features=False)
    bare = f'temporal.train.results=["{tmp_path}/bare"]'
    refused("holds no features", run_of(films, student_model, bare))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "last.pt").touch()
    refused("holds a run", run_of(films, student_model), tmp_path / "old")
