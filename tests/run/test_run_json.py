"""Plans of runs: kept, compared, and replaced only by whom decided so; who claims a folder."""

from __future__ import annotations

import errno
import fcntl
import threading
from contextlib import closing
from pathlib import Path

import pytest

from autrt.errors import UsageError
from autrt.run.folder_lock import lock_folder
from autrt.run.run_json import RunJson
from tests.support.results import names_in

SETTINGS = {"engine": "openvino", "precision": "f32", "smooth": {"domain": "logit", "windows": [10, 24]}}


def settle(out, plan, *, sharded=False, found=None):
    """Claim the folder and leave it again."""
    lock_folder(out, plan, sharded=sharded, found=found).close()


def no_locks(*_):
    raise OSError(errno.ENOLCK, "no locks available")


def test_run_json_is_kept_where_settings_are_equal(tmp_path):
    out = tmp_path / "out"
    settle(out, RunJson(SETTINGS, {"command": "first"}))
    assert RunJson.read(out) == RunJson(SETTINGS, {"command": "first"})
    for sharded in (True, False):
        settle(out, RunJson(dict(reversed(SETTINGS.items())), {"command": "second"}), sharded=sharded)
    assert RunJson.read(out) == RunJson(SETTINGS, {"command": "first"})
    assert names_in(out) == ["run.json"]


@pytest.mark.parametrize(
    ("changed", "messages"),
    [
        ({"precision": "bf16"}, ["precision: f32 → bf16"]),
        ({"smooth": {"domain": "logit", "windows": [10, 1]}}, ["smooth.windows: [10,24] → [10,1]"]),
        ({"smooth": None}, ["smooth: not set → null", 'smooth.domain: logit → not set']),
        ({"max_faces": 1, "engine": "torch"}, ["max_faces: not set → 1", "engine: openvino → torch"]),
    ],
)  # fmt: skip
def test_shards_refuse_to_mix_and_say_all_that_differs(tmp_path, changed, messages):
    first, other = RunJson(SETTINGS), RunJson(SETTINGS | changed)
    settle(tmp_path, first, sharded=True)
    with pytest.raises(UsageError) as refused:
        settle(tmp_path, other, sharded=True, found=first)
    assert all(message in str(refused.value) for message in messages)
    assert RunJson.read(tmp_path) == first
    settle(tmp_path, other, found=first)
    assert RunJson.read(tmp_path) == other


def test_run_json_of_another_run_is_not_replaced(tmp_path):
    first, second, third = (RunJson({"engine": name}) for name in ("a", "b", "c"))
    settle(tmp_path, first)
    settle(tmp_path, second, found=first)
    for found in (None, first):
        with pytest.raises(UsageError, match="another run with other settings"):
            settle(tmp_path, third, found=found)
    assert RunJson.read(tmp_path) == second


def test_run_json_is_not_replaced_while_its_run_works(tmp_path):
    first, second = RunJson({"engine": "a"}), RunJson({"engine": "b"})
    with closing(lock_folder(tmp_path, first, sharded=False)):
        settle(tmp_path, first)  # a second run with equal settings may join
        with pytest.raises(UsageError, match="another run with other settings"):
            settle(tmp_path, second, found=first)
    settle(tmp_path, second, found=first)
    assert RunJson.read(tmp_path) == second


def test_run_json_collects_inputs_to_overwrite(tmp_path):
    settle(tmp_path, RunJson(SETTINGS, {}, ("/a",)))
    settle(tmp_path, RunJson(SETTINGS, {}, ("/b", "/a")))
    settle(tmp_path, RunJson(SETTINGS))
    assert RunJson.read(tmp_path).overwrites == ("/a", "/b")
    settle(tmp_path, RunJson({"engine": "b"}), found=RunJson(SETTINGS))
    assert RunJson.read(tmp_path).overwrites == ()


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("sharded", [True, False])
def test_runs_that_start_together_go_on_where_equal(tmp_path, monkeypatch, sharded, locks):
    if not locks:  # as on some network file systems
        monkeypatch.setattr(fcntl, "flock", no_locks)
    outcomes: list[str] = []
    held = []
    barrier = threading.Barrier(8)

    def start(i: int) -> None:
        precision = "f32" if i % 2 else "bf16"
        barrier.wait()
        try:
            held.append(lock_folder(tmp_path, RunJson({"precision": precision}), sharded=sharded))
            outcomes.append(precision)
        except UsageError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for claimed in held:
        claimed.close()
    plan = RunJson.read(tmp_path)
    assert plan is not None
    assert sorted(outcomes) == sorted([plan.settings["precision"]] * 4 + ["refused"] * 4)
    assert names_in(tmp_path) == ["run.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other/1", "settings": {}}', '"run"', "\xff"])
def test_run_json_of_another_kind_is_not_overwritten(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text, "latin-1")
    for sharded in (True, False):
        with pytest.raises(UsageError, match="no plan of a run"):
            settle(tmp_path, RunJson(SETTINGS), sharded=sharded)
    assert path.read_text("latin-1") == text


def test_output_folder_that_is_a_file_is_refused(tmp_path):
    out = Path(tmp_path, "out")
    out.write_text("mine")
    for folder in (out, out / "below"):
        with pytest.raises(UsageError, match="of no use"):
            settle(folder, RunJson(SETTINGS))


def test_settings_changes_use_the_words_of_the_command_line():
    old = {
        "model": "a" * 64, "detect_every": None, "detect_interval_s": 0.2, "detect_every_max": None,
        "max_faces": None, "baseline_percentile": None, "keep_members": False, "detector": "c" * 63,
    }  # fmt: skip
    new = old | {
        "model": "b" * 64, "detect_interval_s": 0.4, "max_faces": 2, "baseline_percentile": 20.0,
        "keep_members": True, "detector": "d" * 63,
    }  # fmt: skip
    told = RunJson(new, {"model_name": "mine"}).changes(RunJson(old, {"model_name": "student"}))
    assert told == [
        "model: student (aaaaaaaa) → mine (bbbbbbbb)",
        "faces are searched for: every 0.2 s (quality balanced) → every 0.4 s (quality fast)",
        "max_faces: all → 2",
        "baseline: none → p20",
        "keep_members: no → yes",
        "face detector: cccccccc → dddddddd",
    ]
    renewed = RunJson(old | {"model": "b" * 64, "features": True}, {"model_name": "student"})
    assert renewed.changes(RunJson(old, {"model_name": "student"})) == [
        "model: student (aaaaaaaa) → student (bbbbbbbb), another model of this name",
        "features: no → yes",
    ]
    closer = old | {"detect_every": 3, "detect_interval_s": None}
    (told,) = RunJson(closer).changes(RunJson(old))
    assert told.endswith("every 0.2 s (quality balanced) → on every 3 frames (detect_every)")
