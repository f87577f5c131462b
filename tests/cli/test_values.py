"""Wrong values of options: exit code 2, what there is, and nothing touched."""

from __future__ import annotations

import os
import shutil

import pytest

from autrt import cli
from tests.support.fetched import fetched


@pytest.fixture
def answer(monkeypatch, capfd, tmp_path):
    """Runs the command line in this process beside a real clip; its exit code and what it printed."""
    fetched("centerface")
    shutil.copy(fetched("clip-smile"), tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)

    def run(line: str):
        monkeypatch.setattr("sys.argv", ["autrt", *line.split()])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, capfd.readouterr().err

    return run


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("infer a.mp4 --out o --precision f23", "f32 or bf16 or int8"),
        ("infer a.mp4 --out o --precision fp16", "f32 or bf16 or int8"),
        ("infer a.mp4 --out o --engine onnxruntime --precision bf16", "f32 or int8"),
        ("infer a.mp4 --out o --engine torch --precision int8", "f32 or bf16"),
        ("infer a.mp4 --out o --engine abacus", "openvino, onnxruntime"),
        ("infer a.mp4 --out o --device gpu", "auto, cpu, cuda:N or cuda"),
        ("infer a.mp4 --out o --device cuda:99", "cuda:99"),
        ("infer a.mp4 --out o --model teacher", "student, student-mirror"),
        ("infer a.mp4 --out o --quality best", "'max', 'balanced', 'fast'"),
        ("infer a.mp4 --out o --shard 0/3", "expected I/N"),
        ("infer a.mp4 --out o --shard half", "expected I/N"),
        ("infer a.mp4 --out o --baseline 20", "such as p20"),
        ("infer a.mp4 --out o --image-rate fast", "30000/1001"),
        ("infer a.mp4 --out o --detect-every 0", "x>=1"),
        ("infer a.mp4 --out o --progress much", "'plain'"),
        ("crop a.mp4 --out o --engine abacus", "openvino, onnxruntime"),
        ("crop a.mp4 --out o --device gpu", "auto, cpu, cuda:N or cuda"),
        ("build-engine --precision f23", "'f32'"),
        ("build-engine --precision fp16 --engine openvino", "f32 or bf16 or int8"),
        ("build-engine --device gpu", "not on 'gpu'"),
        ("build-engine --profile 8,4,2 --out e", "three rising batch sizes"),
        ("build-engine --target sm86", "only tensorrt-rtx builds for other GPUs"),
        ("export a.mp4 --format xml", "'csv'"),
        ("train smoke --device gpu --out r", "auto, cpu, cuda or cuda:N"),
        ("train smoke --set fit.epochs=many --out r", "fit.epochs"),
        ("train smoke --set fit.epoch=1 --out r", "fit.epoch"),
        ("train smoke --set epochs --out r", "section.key=value"),
        ("train smok --out r", "smoke"),
        ("eval student --labels affwild=x", "affwild2"),
        ("eval student --labels affwild2", "KIND=ROOT"),
        ("ensemble student --out e --select all", "'best-per-au'"),
        ("synth o --rig nothing", "name a clone of ICT-FaceKit"),
        ("bench everything", "startup, engines"),
        ("bench run engines --model teacher", "student, student-mirror"),
        ("fetch detector", "centerface, clip-laugh"),
    ],
)
def test_wrong_value_ends_with_2_and_names_the_right_ones(answer, line, known):
    code, said = answer(line)
    assert (code, "Traceback" in said) == (2, False), said
    assert known in said
    assert os.listdir() == ["a.mp4"]  # noqa: PTH208
