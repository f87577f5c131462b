"""Benchmarks at work: real suites for a moment, and what they rest on."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import replace

import numpy as np
import pytest

from autrt.errors import AutrtError
from autrt.model.folder import load_model
from autrt.results.writer import ResultsWriter
from autrt.types import Source
from autrt.video.probe import probe
from autrt_bench.inputs.clips import ClipVariant, make_longer, make_variant
from autrt_bench.measure.agreement import compare
from autrt_bench.measure.command import run_command
from autrt_bench.measure.interleaved import measure
from autrt_bench.measure.python_lock import lock_share
from autrt_bench.reporting.fingerprint import gpus
from autrt_bench.suites import ABOUT, SELECTION, SUITES
from autrt_bench.suites import archive as archive_suite
from autrt_bench.suites import engines as engines_suite
from autrt_bench.suites import gpu as gpu_suite
from autrt_bench.suites import loader as loader_suite
from autrt_bench.suites import pipeline as pipeline_suite
from autrt_bench.suites import results as results_suite
from autrt_bench.suites.decode import decode_planes, decode_rgb
from autrt_bench.suites.peers import peers
from autrt_bench.types import BenchSettings, Group, Skipped
from autrt_train.loading.loader import open_loader
from tests.support.command import autrt
from tests.support.fetched import fetched
from tests.support.media import Clip
from tests.support.results import header, video


def test_bench_command_measures_saves_and_plots(tmp_path):
    fetched("centerface")
    clip = fetched("clip-talk")
    options = ["--quick", "--repeats", "1", "--clip", clip, "--out", tmp_path / "out"]
    done = autrt("bench", "startup", "decode", *options)
    assert done.returncode == 0, done.stderr
    (history,) = (tmp_path / "out").glob("*.jsonl")
    found = json.loads(history.read_text())
    assert found["fingerprint"]["cores"] >= 1
    assert found["fingerprint"]["versions"]["autrt"]
    cases = {(m["suite"], m["case"], m["metric"]["name"]): m["values"] for m in found["measurements"]}
    (first_frame_s,), (help_s,) = (
        cases["startup", "autrt infer", "to the first frame"],
        cases["startup", "autrt --help", "time"],
    )
    assert first_frame_s > help_s > 0
    assert cases["decode", f"pyav {clip.name}", "speed"][0] > 0
    assert gpus() or "not h264" in done.stdout  # what DALI says
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        history.name,
        f"{history.stem}.html",
        f"{history.stem}-startup.png",
        f"{history.stem}-decode.png",
    }
    assert "data:image/png" in history.with_suffix(".html").read_text()


def test_the_loaders_pictures_can_be_loaded(tmp_path):
    index = loader_suite._pictures(load_model().members[0], tmp_path)
    with closing(open_loader("opencv", index)) as loading:
        assert loader_suite._repeat(loading, index, 0.05)[loader_suite.SPEED] > 0


def test_every_suite_is_listed_and_an_unknown_one_is_refused():
    listed = autrt("bench", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[:-1]] == list(SUITES) == list(ABOUT)
    assert set(SELECTION) <= set(SUITES)
    done = autrt("bench", "piepline")
    assert done.returncode == 2
    assert "known: startup, engines" in done.stderr


def test_engine_arithmetic_is_rows_times_flops():
    member = load_model().members[0]
    with ExitStack() as opened:
        kinds = [("openvino", "cpu", "f32"), ("openvino", "cpu", "fp16")]
        running, refused = engines_suite._open_all(member, kinds, 4, opened)
        assert list(running) == kinds[:1]
        ((why, kind),) = refused.items()
        assert kind == "openvino cpu fp16"
        assert "not in 'fp16'" in why
        values = engines_suite._repeat(running[kinds[0]], 0.1, 0.05)
    assert values[engines_suite.P50] <= values[engines_suite.P90] <= values[engines_suite.P99]
    assert values[engines_suite.GFLOPS] == pytest.approx(0.1 * values[engines_suite.ROWS])
    turn = {"student": values, "sgemm": {engines_suite.GFLOPS: values[engines_suite.GFLOPS] / 2}}
    assert engines_suite._shares(turn) == {"student": {engines_suite.SHARE: 2}}


def test_pipeline_and_stages_process_the_same_video():
    fetched("centerface")
    clip = fetched("clip-talk")
    settings = BenchSettings(model=load_model(), clips=(clip,), quick=True)
    (group,) = list(_groups(settings))
    speeds = {m.case.rpartition(" ")[0]: m.values[0] for m in group if m.metric == pipeline_suite.SPEED}
    assert list(speeds) == ["whole", "decode", "detect", "align", "networks", "smooth and write"]
    (share,) = [m.values[0] for m in group if m.metric == pipeline_suite.OF_SLOWEST]
    assert share == pytest.approx(speeds["whole"] / min(v for k, v in speeds.items() if k != "whole"))


def _groups(settings: BenchSettings):
    for item in pipeline_suite.pipeline(settings):
        assert isinstance(item, Group)
        yield measure("pipeline", replace(item, warm_up=False), 1)


def test_the_tensors_flow_is_compared_with_its_parts(tmp_path):
    fetched("centerface")
    recipe = ClipVariant(width=320, height=180, codec="vp9", frames=8)
    clip = make_variant(fetched("clip-smile"), recipe, lambda _: None)
    settings = BenchSettings(model=load_model(), clips=(clip,), quick=True)
    found = {}
    for item in gpu_suite.gpu(settings):
        if isinstance(item, Skipped):
            assert "gilknocker" in item.why
            continue
        for m in measure("gpu", replace(item, warm_up=False), 1):
            found[m.case.partition(" ")[0], m.metric] = m.values[0]
    faces = found["flow", gpu_suite.FACES]
    slowest = min(found["decoder", gpu_suite.SPEED], found["engine", gpu_suite.ROWS] / faces)
    assert faces == 1
    assert found["flow", gpu_suite.OF_PARTS] == pytest.approx(found["flow", gpu_suite.SPEED] / slowest)
    assert 1 < found["asked", gpu_suite.KERNELS] < 40  # the networks are left out
    assert 0 <= found.get(("Python's", gpu_suite.LOCK), 0) <= 1


@pytest.mark.slow  # a busy machine holds the processor back, and with it the lock
def test_pythons_lock_is_seen_to_be_held():
    pytest.importorskip("gilknocker")

    def hold():
        for _ in range(100_000):
            sum(range(1000))

    assert lock_share(hold) > 0.5 > lock_share(lambda: time.sleep(1))


def test_peak_memory_is_the_commands_own():
    ours = np.ones(200_000_000, np.uint8)
    small = run_command([sys.executable, "-S", "-c", "print('done')"])
    large = run_command([sys.executable, "-S", "-c", "x = b'x' * 150_000_000"])
    assert small.peak_bytes < 60e6 < 150e6 < large.peak_bytes < ours.nbytes
    assert [line for _, line in small.lines] == ["done"]
    assert small.lines[0][0] > 0
    with pytest.raises(AutrtError, match="ValueError: no"):
        run_command([sys.executable, "-S", "-c", "raise ValueError('no')"])


def test_clip_variants_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))
    source = Clip(frames=10).write(tmp_path / "clip.mp4")
    said: list[str] = []
    recipe = ClipVariant(width=192, height=64, faces=1, columns=2, frames=6)
    wide = make_variant(source, recipe, said.append)
    assert make_variant(source, recipe, said.append) == wide
    assert len(said) == 1
    info = probe(Source(wide, wide.name, "video"))
    assert (info.width, info.height) == (192, 64)
    assert decode_planes(wide) == decode_rgb(wide) == 6
    assert decode_planes(make_longer(source, 1.2 / 60, said.append)) == 30


def test_results_are_opened_resumed_and_verified(monkeypatch):
    monkeypatch.setattr(results_suite, "FILES_QUICK", 3)
    settings = BenchSettings(model=load_model(), quick=True)
    found = {
        (m.case, m.metric): m.values[0]
        for group in results_suite.results(settings)
        for m in measure("results", group, 1)
    }
    assert 10 < found["a short clip's results", results_suite.SIZE] <= 30
    assert found["a short clip's results", results_suite.OPENING] > 0
    assert found["resume by the index", results_suite.RESUMING] > 0
    assert found["resume without it", results_suite.RESUMING] > 0
    assert found["verify, 1 process", results_suite.VERIFYING] > 0


@pytest.mark.slow
def test_archive_is_kept_up(monkeypatch):
    monkeypatch.setattr(archive_suite, "ENTRIES", 200)
    monkeypatch.setattr(archive_suite, "FILES", 150)
    settings = BenchSettings(model=load_model(), quick=True)
    found = [m for group in archive_suite.archive(settings) for m in measure("archive", group, 1)]
    assert {m.case for m in found} == {
        "status of 4 videos",
        "index of 4 videos",
        "data set of 3 results",
        "data set of 3 results, one process",
        "the same again, 3 unchanged",
        "recompute 3 results",
    }
    assert all(m.values[0] > 0 for m in found)


def test_missing_peer_is_skipped_with_a_hint(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTRT_PEER_MEDIAPIPE", str(tmp_path))
    found = list(peers(BenchSettings(model=load_model(), clips=(tmp_path / "any.mp4",))))
    assert [type(item) for item in found] == [Skipped]
    assert "AUTRT_PEER_MEDIAPIPE" in found[0].why


def test_agreement_counts_what_differs(tmp_path):
    truth = video([1, 2, 1], n_aus=3)
    smoothed, flipped = truth.smoothed.copy(), truth.active.copy()
    flipped[1, 2] ^= True
    smoothed[1, 2] = flipped[1, 2]
    moved = truth.block.faces.landmarks.copy()
    eyes = max(1.0, float(np.linalg.norm(moved[0, 1] - moved[0, 0])))
    moved[0, :, 0] += 0.5 * eyes
    faces = replace(truth.block.faces, landmarks=moved)
    other = replace(truth, smoothed=smoothed, active=flipped, block=replace(truth.block, faces=faces))
    for folder, content in (("a", truth), ("b", other)):
        with ResultsWriter(tmp_path / folder / "clip.mp4.h5", header(), keep_members=True) as writer:
            content.write(writer)
            writer.finish([], repaired_times=0)
    same, found = compare(tmp_path / "a", tmp_path / "a"), compare(tmp_path / "a", tmp_path / "b")
    assert not same.changed.any()
    assert not same.shift.any()
    np.testing.assert_array_equal(same.correlation(), 1)
    np.testing.assert_array_equal(found.changed.sum(0), [0, 0, 1])
    np.testing.assert_allclose(found.shift, np.array([0.5, 0, 0, 0]), rtol=1e-5)
    assert (found.only_a, found.only_b) == (0, 0)
