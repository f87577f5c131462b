"""`autrt.infer` and `autrt.plan` against the command, on real clips; what they raise."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import autrt as package
from autrt.errors import AutrtError, ResultsError, UsageError
from autrt.machine import available_cores
from autrt.run.worker import VIDEOS_EACH
from tests.support.command import assert_equal_results, autrt, manifest
from tests.support.fetched import fetched


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Two clips, and a file that is no video."""
    fetched("centerface")
    folder = tmp_path_factory.mktemp("clips")
    shutil.copy(fetched("clip-smile"), folder / "smile.mp4")
    shutil.copy(fetched("clip-nobody"), folder / "nobody.mp4")
    (folder / "junk.mp4").write_text("this is no video")
    return folder


@pytest.fixture(scope="module")
def done(clips, tmp_path_factory):
    """The folder of results of `infer`, and its summary."""
    out = tmp_path_factory.mktemp("api") / "out"
    return out, package.infer([clips], out, quality="fast", workers=1)


def attribute(path: Path, name: str):
    with h5py.File(path) as file:
        return json.loads(file.attrs["header"])[name]


def test_infer_writes_what_the_command_writes(clips, done, tmp_path):
    out, summary = done
    typed = autrt("infer", clips, "--out", tmp_path, "--quality", "fast", "--workers", "1")
    assert typed.returncode == summary.exit_code == 3
    assert_equal_results(out, tmp_path)
    settings = [json.loads((folder / "run.json").read_text())["settings"] for folder in (out, tmp_path)]
    assert settings[0] == settings[1]
    digests = [attribute(folder / "smile.mp4.h5", "model_digest") for folder in (out, tmp_path)]
    assert digests[0] == digests[1]
    keys = [set(manifest(folder)["smile.mp4"]) for folder in (out, tmp_path)]
    assert keys[0] == keys[1]


def test_infer_says_what_happened_and_prints_nothing(clips, done, capfd):
    out, summary = done
    assert (summary.count("ok"), summary.count("failed"), summary.skipped) == (2, 1, 0)
    assert list(summary.failed) == ["junk.mp4"]
    assert summary.frames == 72 + 95
    assert repr(summary) == f"<RunSummary {str(out)!r}: 2 ok, 1 failed>"
    again = package.infer(clips, out, quality="fast", workers=1)
    assert (again.skipped, again.count("ok")) == (2, 0)
    assert capfd.readouterr() == ("", "")


def test_infer_stores_its_call_as_the_command(clips, done):
    out, _ = done
    call = f"autrt.infer({str(clips)!r}, {str(out)!r}, quality='fast', workers=1)"
    assert attribute(out / "smile.mp4.h5", "command") == call


def test_infer_refuses_results_of_other_settings(clips, done):
    out, _ = done
    with pytest.raises(UsageError) as refused:
        package.infer(clips, out)
    assert "overwrite=True to compute them again" in str(refused.value)
    assert "to do only what is missing: autrt.infer(" in str(refused.value)


def test_infer_reports_its_progress(clips, tmp_path):
    shares: list[float] = []
    package.infer(clips / "smile.mp4", tmp_path, on_progress=lambda run: shares.append(run.share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


@pytest.mark.skipif(available_cores() < 2, reason="one core: one process does everything")
def test_infer_shares_videos_among_processes_in_a_plain_script(clips, tmp_path):
    for i in range(2 * VIDEOS_EACH):
        shutil.copy(clips / "smile.mp4", tmp_path / f"{i}.mp4")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, autrt\nprint(autrt.infer(sys.argv[1], sys.argv[2]))\n"
    )  # no __main__ guard
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, script, tmp_path, out], capture_output=True, text=True, check=True)
    assert done.stdout == f"<RunSummary {str(out)!r}: {2 * VIDEOS_EACH} ok>\n"


def test_infer_passes_an_interrupt_on_after_a_clean_stop(clips, tmp_path):
    interrupted: list[bool] = []

    def interrupt(run) -> None:
        if run.frames and not interrupted:
            interrupted.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    for i in range(6):
        shutil.copy(clips / "smile.mp4", tmp_path / f"{i}.mp4")
    with pytest.raises(KeyboardInterrupt):
        package.infer(tmp_path, tmp_path / "out", workers=1, on_progress=interrupt)
    assert "started" not in {event["status"] for event in manifest(tmp_path / "out").values()}


def test_plan_touches_nothing_and_says_what_is_to_do(clips, tmp_path):
    found = package.plan(clips, tmp_path / "out", detect_every=3)
    assert [(video.source.relative, video.todo) for video in found.videos()] == [
        ("junk.mp4", True),
        ("nobody.mp4", True),
        ("smile.mp4", True),
    ]
    junk, _, smile = found.videos()
    assert "no video" in junk.error or junk.info is None
    assert (smile.info.frame_count, smile.detect_every, smile.state) == (72, 3, "missing")
    assert found.refusal is None
    assert not (tmp_path / "out").exists()


def test_plan_does_a_file_in_two_input_folders_once(clips, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    shutil.copy(clips / "smile.mp4", tmp_path / "a" / "b" / "smile.mp4")
    found = package.plan([tmp_path / "a" / "b" / "smile.mp4", tmp_path / "a"], tmp_path / "out")
    assert [source.relative for source in found.todo] == ["b/smile.mp4"]
    assert found.notes == ["smile.mp4 and b/smile.mp4 are the same file: it is done once, as b/smile.mp4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": "best"}, "quality: expected one of max, balanced, fast, found 'best'"),
        ({"max_faces": 0}, "max_faces: expected a whole number from 1, found 0"),
        ({"max_faces": 1.5}, r"max_faces: expected a whole number from 1, found 1.5 \(float\)"),
        ({"detect_every": 2.5}, r"detect_every: expected a whole number from 1, found 2.5 \(float\)"),
        ({"detect_every": True}, r"found True \(bool\)"),
        ({"detect_every": np.array([5, 6])}, r"detect_every: expected a whole number"),
        ({"workers": "2"}, "workers: expected a whole number from 1, found '2'"),
        ({"keep_members": "no"}, "keep_members: expected True or False, found 'no'"),
        ({"overwrite": 1}, "overwrite: expected True or False"),
        ({"device": None}, r"device: expected text, found None"),
        ({"device": "gpu"}, "^device 'gpu': expected auto, cpu"),
        ({"precision": 16}, "precision: expected text"),
        ({"model": 5}, "model: expected a path"),
        ({"model": ""}, "model: expected a path, found ''"),
        ({"baseline": 20}, r"baseline: expected none, or pN .* found 20 \(int\)"),
        ({"shard": (1, 2)}, r"shard: expected I/N .* found \(1, 2\) \(tuple\)"),
        ({"image_rate": None}, "image_rate: expected a positive rate"),
        ({"image_rate": np.array([1, 2])}, "image_rate: expected a positive rate"),
        ({"baseline": "20"}, "expected none, or pN"),
        ({"image_rate": 0}, "expected a positive rate"),
        ({"shard": "3/2"}, "expected I/N"),
        ({"model": "nothing-of-this-name"}, "nothing-of-this-name"),
        ({"engine": "nothing"}, "nothing"),
    ],
)
def test_plan_refuses_wrong_options(clips, tmp_path, options, message):
    with pytest.raises(AutrtError, match=message) as refused:
        package.plan(clips, tmp_path / "out", **options)
    assert isinstance(refused.value, UsageError)
    assert not (tmp_path / "out").exists()


def test_plan_refuses_unknown_options_and_no_input(clips, tmp_path):
    with pytest.raises(TypeError, match="found qualty"):
        package.plan(clips, tmp_path, qualty="fast")
    with pytest.raises(UsageError, match="no input"):
        package.plan([], tmp_path)


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        ("", "out", "inputs: expected a path, found ''"),
        (["a.mp4", ""], "out", "inputs: expected a path, found ''"),
        (b"a.mp4", "out", r"inputs: expected a path as text or pathlib.Path, found b'a.mp4' \(bytes\)"),
        (5, "out", r"inputs: expected a path or several, found 5 \(int\)"),
        ("a.mp4", None, "out: expected a path as text"),
        ("a.mp4", "", "out: expected a path, found ''"),
    ],
)
def test_infer_and_plan_refuse_what_is_no_path(inputs, out, message):
    for call in (package.infer, package.plan):
        with pytest.raises(UsageError, match=message):
            call(inputs, out)


def test_infer_refuses_progress_that_is_no_function(tmp_path):
    with pytest.raises(UsageError, match=r"on_progress: expected a function, found 5 \(int\)"):
        package.infer(tmp_path, tmp_path / "out", on_progress=5)  # pyright: ignore[reportArgumentType]


def test_plan_accepts_integers_of_numpy_as_plain_ones(clips, tmp_path):
    found = package.plan(clips, tmp_path / "out", detect_every=np.int64(3))
    assert type(found.options.detect_every) is int
    assert found.options.command.endswith("detect_every=3)")


def test_plan_refuses_a_file_as_its_output_folder(clips):
    with pytest.raises(UsageError, match=r"^output folder .*: expected a folder, found a file"):
        package.plan(clips / "smile.mp4", clips / "junk.mp4")


def test_plan_runs_without_a_reporter(clips, tmp_path, capfd):
    summary = package.plan(clips / "smile.mp4", tmp_path, quality="fast", workers=1).run()
    assert summary.count("ok") == 1
    assert capfd.readouterr() == ("", "")


def test_open_results_refuses_a_folder(tmp_path):
    with pytest.raises(ResultsError, match="expected a results file, found a folder"):
        package.open_results(tmp_path)


def test_dataframe_takes_one_column_as_text(done):
    pytest.importorskip("pandas")
    with package.open_results(done[0] / "smile.mp4.h5") as results:
        assert list(results.to_dataframe("box")) == list(results.to_dataframe(["box"]))
        with pytest.raises(UsageError, match="no column 'boxes'"):
            results.to_dataframe("boxes")


def test_import_loads_no_library_and_lists_the_public_names():
    code = "import sys, autrt; print(*sys.modules); print(*dir(autrt))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, names = (set(line.split()) for line in found.stdout.splitlines())
    assert not modules & {"numpy", "h5py", "cv2", "av", "click", "torch", "autrt.api"}
    assert set(package.__all__) <= names
    assert all(getattr(package, name) is not None for name in package.__all__)
