"""TensorRT-RTX engines, built without a GPU; tests that need one are marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autrt.engine.build import build
from autrt.engine.gpu import find_gpus
from autrt.engine.graph import Graph, Options
from autrt.engine.open import open_engine, resolve_engine
from autrt.errors import EngineError, MissingDependencyError, UsageError
from autrt.model.folder import Model, load_model
from tests.support.models import pixels

pytest_plugins = ("tests.support.model_fixtures",)

trt = pytest.importorskip("tensorrt_rtx")

from autrt.engine.backends.tensorrt_build import build_plan  # noqa: E402
from autrt.engine.backends.tensorrt_plan import find_plan, load_plan  # noqa: E402

BOTH = ("sm86", "sm89")
no_gpu = pytest.mark.skipif(bool(find_gpus()), reason="tells what happens without a GPU")


def test_packaged_student_builds_in_fp16(tmp_path: Path) -> None:
    model = load_model()
    (report,) = build(model, engine="tensorrt-rtx", precision="fp16", targets=BOTH, cache=tmp_path)
    assert report.spec.versions == {"tensorrt-rtx": trt.__version__}
    assert report.parity.against == "torch"
    assert report.parity.errors["logits"].max < 0.02
    assert report.size_bytes > 800_000
    assert {layer.precision for layer in report.layers} == {"fp16"}
    facts = json.loads((report.folder / "build.json").read_text())
    assert facts["targets"] == list(BOTH)
    assert facts["batches"] == [16, 16, 16]
    assert facts["spec"]["network_digest"] == model.network_digests[0]
    assert facts["spec"]["graph_digest"] == report.spec.graph_digest != ""
    assert facts["files"]["weights.safetensors"] == model.members[0].files["weights.safetensors"].sha256
    assert facts["parity_of_graph"]["errors"]["logits"]["max"] == report.parity.errors["logits"].max
    assert facts["size_bytes"] < report.size_bytes  # the file has its digest in front


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_packaged_student_builds_in_other_precisions(
    student_model: Model, tmp_path: Path, precision: str
) -> None:
    graph = Graph.of(student_model.members[0])
    plan = build_plan(
        "tensorrt-rtx",
        graph,
        Options(precision=precision, batch=4, device="cuda:0", targets=("sm89",)),
        tmp_path,
    )
    assert plan.spec.precision == precision
    assert [(t.name, t.shape, t.dtype) for t in plan.spec.inputs] == [("pixels", (112, 112, 3), "uint8")]
    assert plan.spec.outputs == student_model.members[0].outputs


def test_find_plan_matches_batch_target_and_version(student_model: Model, tmp_path: Path) -> None:
    graph = Graph.of(student_model.members[0])
    options = Options(precision="f32", batch=16, device="cuda:0", profile=(1, 8, 16), targets=BOTH)
    plan = build_plan("tensorrt-rtx", graph, options, tmp_path)

    def found(target: str = "sm89", version: str = trt.__version__, **other):
        asked = Options(**{"precision": "f32", "batch": 8, "device": "cuda:0", **other})
        return find_plan(graph, "tensorrt-rtx", version, asked, target, tmp_path)

    assert found() == load_plan(plan.folder) == plan
    assert found(batch=1) == found(batch=16) == plan
    assert found(batch=17) is None
    assert found("sm75") is None
    assert found(version="1.0") is None
    assert found(precision="fp16") is None
    content = plan.folder / "engine.plan"
    content.write_bytes(content.read_bytes()[:-1])
    assert found() is None
    assert build_plan("tensorrt-rtx", graph, options, tmp_path).batches == (1, 8, 16)
    assert found() is not None


def test_plan_is_built_once(student_model: Model, tmp_path: Path) -> None:
    graph, options = (
        Graph.of(student_model.members[0]),
        Options(precision="f32", batch=4, device="cuda:0", targets=("sm86",)),
    )
    told: list[str] = []
    first = build_plan("tensorrt-rtx", graph, options, tmp_path, told.append)
    assert told
    told.clear()
    assert build_plan("tensorrt-rtx", graph, options, tmp_path, told.append) == first
    assert not told


@pytest.mark.parametrize(
    ("targets", "precision", "told"),
    [
        (("sm86", "sm90"), "f32", r"builds for sm75, sm80, sm86.*not for sm90.*need --engine tensorrt"),
        (("rtx4090",), "f32", "not for rtx4090"),
        (("sm75",), "f32", "multiply matrices in float16 only, and all layers.*use --precision fp16"),
        (("sm86",), "bf16", "computes in f32 or fp16 or int8"),
    ],
)
def test_build_plan_reports_what_it_cannot_build(
    student_model: Model, tmp_path, targets, precision, told
) -> None:
    with pytest.raises(EngineError, match=told):
        build(student_model, engine="tensorrt-rtx", precision=precision, targets=targets, cache=tmp_path)


def test_sm75_takes_the_float16_graph(student_model: Model, tmp_path: Path) -> None:
    options = Options(precision="fp16", batch=4, device="cuda:0", targets=("sm75",))
    assert build_plan("tensorrt-rtx", Graph.of(student_model.members[0]), options, tmp_path).content


def test_targets_are_refused_by_openvino(student_model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only tensorrt-rtx builds for other GPUs"):
        build(student_model, engine="openvino", targets=BOTH, cache=tmp_path)


@no_gpu
def test_engines_without_a_gpu_say_what_they_need(student_model: Model, tmp_path: Path) -> None:
    graph = Graph.of(student_model.members[0])
    with pytest.raises(EngineError, match=r"needs the GPU cuda:0; found no GPU.*libcuda.*--target sm86,sm89"):
        open_engine(graph, engine="tensorrt-rtx", device="auto", cache=tmp_path)
    for engine in ("tensorrt", "torch-tensorrt"):
        with pytest.raises((EngineError, MissingDependencyError), match="GPU"):
            open_engine(graph, engine=engine, device="auto", cache=tmp_path)


@no_gpu
def test_plan_that_does_not_load_says_how_to_rebuild(student_model: Model, tmp_path: Path) -> None:
    from autrt.engine.backends.tensorrt import LoadedPlan

    options = Options(precision="f32", batch=4, device="cuda:0", targets=("sm86",))
    plan = build_plan("tensorrt-rtx", Graph.of(student_model.members[0]), options, tmp_path)
    with pytest.raises(
        EngineError, match=r"does not load: .*autrt build-engine --engine tensorrt-rtx"
    ) as told:
        LoadedPlan(trt, plan, plan.spec)
    assert "no reason is given" not in str(told.value)


def test_gpu_engines_choose_a_gpu() -> None:
    for engine in ("tensorrt", "tensorrt-rtx", "torch-tensorrt"):
        assert resolve_engine(engine, "auto") == (engine, "cuda:0")
    assert resolve_engine("auto", "cuda:1")[0] in ("tensorrt", "torch")
    assert resolve_engine("auto", "auto") == ("openvino", "cpu")


@pytest.mark.slow
def test_papers_network_builds_in_fp16(tmp_path: Path) -> None:
    """Build 193 million parameters; needs about 10 GB of memory."""
    import torch

    from autrt.model.export import save_model
    from autrt.model.full import FullNetwork
    from tests.support.networks import settled

    torch.manual_seed(1)
    model = save_model(tmp_path / "paper", settled(FullNetwork()), crops=pixels(4), licence="CC0-1.0")
    (report,) = build(model, engine="tensorrt-rtx", precision="fp16", targets=BOTH, cache=tmp_path)
    assert report.size_bytes > 300_000_000
    assert report.parity.errors["logits"].max <= report.parity.errors["logits"].tolerance
