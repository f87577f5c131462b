"""Training in several processes: they decide together, and none waits for ever for one that is gone."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from autrt_train.fit import checkpoint, process_watch
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.process_watch import ProcessWatch
from autrt_train.fit.validate import validate
from autrt_train.read_recipe import read_recipe, recipe_names
from autrt_train.training_data import open_data
from autrt_train.training_network import build_training_network
from tests.support.pictures import TINY_RECIPE, write_pictures
from tests.support.ranks import PATIENCE_S, by_hand, changes, pid_of, torchrun

RANK = "tests.support.rank"

ENDLESS = ("fit.epochs=100000", "fit.validate_every=1000", "fit.batch=8", "fit.precision=f32")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    path = folder / "recipe.toml"
    path.write_text(TINY_RECIPE.replace("MANIFEST", str(write_pictures(folder / "pictures"))))
    return path


def arguments(recipe: Path, folder: Path, *settings: str) -> list[str]:
    place = ["--out", str(folder / "run"), "--device", "cpu", "--progress", "none"]
    return ["train", str(recipe), *place, *changes([*ENDLESS, *settings])]


def wait_for_steps(folder: Path, steps: int) -> None:
    log = folder / "run" / "log.jsonl"
    for _ in range(10 * PATIENCE_S):
        if log.is_file() and log.read_text().count('"step"') >= steps:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {steps} steps within {PATIENCE_S} s")


def test_saving_by_the_clock_needs_no_agreement_of_clocks(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "1.clock").write_text("3")
    settings = ("fit.save_every_s=0.2", "fit.steps=60")
    ended = [rank.wait() for rank in by_hand(2, tmp_path, *arguments(recipe, tmp_path, *settings))]
    assert [code for code, _ in ended] == [0, 0], ended
    assert checkpoint.load(tmp_path / "run" / "last.pt")["step"] == 60


def test_killed_process_ends_the_others_with_an_error(recipe: Path, tmp_path: Path) -> None:
    first, _ = by_hand(2, tmp_path, *arguments(recipe, tmp_path))
    wait_for_steps(tmp_path, 5)
    os.kill(pid_of(tmp_path, 1), signal.SIGKILL)
    code, errors = first.wait()
    assert code == 1, errors
    assert "another process of 2 has ended" in errors
    assert "--resume" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_torchrun_ends_when_a_process_is_killed(recipe: Path, tmp_path: Path) -> None:
    running = torchrun(4, RANK, tmp_path, *arguments(recipe, tmp_path, "fit.save_every_s=0.2"))
    wait_for_steps(tmp_path, 10)  # with saving in between
    os.kill(pid_of(tmp_path, 2), signal.SIGKILL)
    _, errors = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1, errors


@pytest.mark.parametrize("where", ["a checkpoint", "the best weights"])
def test_full_disk_of_the_leading_process_ends_all(where: str, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "0.limit").write_text("20000")
    settings = ["fit.save_every_s=0.5"] if where == "a checkpoint" else ["fit.validate_every=0.3"]
    ended = [rank.wait() for rank in by_hand(2, tmp_path, *arguments(recipe, tmp_path, *settings))]
    told = [errors for _, errors in ended]
    assert [code for code, _ in ended] == [1, 1], told
    assert "no space left" in told[0]
    assert "process 1 of 2 failed: no space left" in told[1]
    assert not any("Traceback" in errors for errors in told)


def test_unreadable_picture_in_one_process_ends_all(tmp_path: Path) -> None:
    manifest = write_pictures(tmp_path / "pictures")
    rows = manifest.read_text().splitlines()
    bad = tmp_path / "pictures" / rows[1].split(",")[0]
    bad.write_bytes(b"no picture")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TINY_RECIPE.replace("MANIFEST", str(manifest)))
    ended = [rank.wait() for rank in by_hand(2, tmp_path, *arguments(recipe, tmp_path))]
    told = [errors for _, errors in ended]
    assert all(code in (1, 2) for code, _ in ended), told
    assert sum(bad.name in errors for errors in told) >= 1
    assert not any("Traceback" in errors for errors in told)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_recipe_trains_in_two_processes(tmp_path: Path) -> None:
    running = torchrun(2, "tests.support.rank_recipes", tmp_path)
    told, errors = running.communicate(timeout=500)
    assert running.returncode == 0, errors
    assert told.split() == [word for name in recipe_names() for word in ("done", name)]


class SharedStore:
    """A store in memory."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value

    def get(self, key: str) -> bytes:
        return self.values[key].encode()

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEAT_S", 0.02), ("SILENT_S", 0.4), ("GRACE_S", 0.1)):
        monkeypatch.setattr(process_watch, name, seconds)


@pytest.mark.usefixtures("hurried")
def test_process_watch_notices_silence() -> None:
    store, ended, told = SharedStore(), threading.Event(), list[str]()
    with_end = ProcessWatch(0, 2, store, lambda message: (told.append(message), ended.set()))
    other = ProcessWatch(1, 2, store, lambda _: None)
    assert not ended.wait(0.6)  # both speak
    other._closed.set()  # as a killed process: it tells nobody
    assert ended.wait(5)
    assert "process 2 of 2 has not answered" in told[0]
    assert "--resume" in told[0]
    with_end.stop()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("reason", ["the disk is full", None])
def test_process_watch_reports_failures_but_not_ends(reason: str | None) -> None:
    store, ended, told = SharedStore(), threading.Event(), list[str]()
    watcher = ProcessWatch(0, 2, store, lambda message: (told.append(message), ended.set()))
    other = ProcessWatch(1, 2, store, lambda _: None)
    if reason is not None:
        other.announce_failure(reason)
    other.stop()
    assert ended.wait(1.0) == (reason is not None)
    if reason is not None:
        assert told[0].startswith("process 2 of 2 failed: the disk is full")
        assert watcher.lost_process() == "process 2 of 2 failed: the disk is full"
    watcher.stop()


@pytest.mark.usefixtures("hurried")
def test_process_watch_spares_processes_that_end() -> None:
    store, told = SharedStore(), list[str]()
    watcher = ProcessWatch(0, 2, store, told.append)
    ProcessWatch(1, 2, store, lambda _: None).announce_failure("the disk is full")
    assert watcher.lost_process(wait_s=5)
    watcher.stop()
    time.sleep(0.3)
    assert told == []


def test_saved_weights_are_the_validated_ones(recipe: Path, tmp_path: Path) -> None:
    """In one process, the saved weights give the score that the look of two processes found."""
    settings = ("fit.steps=9", "fit.validate_every=3", "fit.ema=0.5")
    ended = [rank.wait() for rank in by_hand(2, tmp_path, *arguments(recipe, tmp_path, *settings))]
    assert [code for code, _ in ended] == [0, 0], ended
    looks = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    last = [line for line in looks if line["event"] == "look"][-1]

    read = read_recipe(str(recipe), [*ENDLESS, *settings])
    training_network = build_training_network(read, ())
    state = checkpoint.load(tmp_path / "run" / "last.pt")["ema"]["state"]
    training_network.network.load_state_dict(state)
    with closing(open_data(read, ProcessGroup(), lambda _: None)) as data:
        again = validate(training_network, data, read, ProcessGroup())
    assert last["auc"] == pytest.approx(again.facts["auc"], abs=1e-9)
    assert last["f1_binary"] == pytest.approx(again.facts["f1_binary"], abs=1e-9)
