"""Contract of `Engine`, for every engine, precision and device that can run here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autrt.engine.open import Graph, open_engine
from autrt.engine.parity import TOLERANCES, read_reference
from autrt.errors import EngineError
from autrt.machine import has_bf16, has_int8
from autrt.model.folder import Model
from autrt.model.load import torch_outputs
from autrt.types import Engine
from tests.support.models import pixels

pytest_plugins = ("tests.support.model_fixtures",)

BATCH = 7
"""No multiple of anything that vector code likes."""


@dataclass(frozen=True)
class Case:
    engine: str
    precision: str = "f32"
    device: str = "cpu"
    model: str = "student_model"

    def __str__(self) -> str:
        return f"{self.engine}-{self.precision}-{self.device}-{self.model.removesuffix('_model')}"


def can(engine: str, precision: str, model: str) -> bool:
    """Return whether a CPU engine can run here in this precision; one model suffices except in f32."""
    has = {"f32": True, "bf16": has_bf16(), "int8": has_int8()}[precision]
    return find_spec(engine) is not None and has and (precision == "f32" or model == "student_model")


CASES = [
    Case(engine, precision, model=model)
    for engine, precision in (
        ("openvino", "f32"),
        ("openvino", "bf16"),
        ("openvino", "int8"),
        ("onnxruntime", "f32"),
        ("onnxruntime", "int8"),
        ("torch", "f32"),
        ("torch", "bf16"),
    )
    for model in ("student_model", "full_model")
    if can(engine, precision, model)
] + [
    pytest.param(Case(engine, precision, "cuda:0", model), marks=pytest.mark.gpu)
    for engine, library in (
        ("torch", "torch"),
        ("tensorrt", "tensorrt"),
        ("tensorrt-rtx", "tensorrt_rtx"),
        ("torch-tensorrt", "torch_tensorrt"),
    )
    for precision in ("f32", "fp16")
    for model in ("student_model", "full_model")
    if find_spec(library)
]


def opened(case: Case, model: Model, cache: Path, **kwargs: Any) -> Engine:
    return open_engine(
        Graph.of(model.members[0]),
        engine=case.engine,
        precision=case.precision,
        device=case.device,
        cache=cache,
        **{"batch": BATCH, **kwargs},
    )


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def model(case: Case, request: pytest.FixtureRequest) -> Model:
    return request.getfixturevalue(case.model)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engine(case: Case, model: Model, cache: Path) -> Iterator[Engine]:
    engine = opened(case, model, cache)
    yield engine
    engine.close()


def assert_same(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], rows: Any = slice(None)
) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name][rows], err_msg=name)


def test_spec_describes_the_engine(engine: Engine, case: Case, model: Model) -> None:
    spec = engine.spec
    member = model.members[0]
    assert isinstance(engine, Engine)
    assert (spec.engine, spec.precision, spec.device, spec.batch) == (
        case.engine,
        case.precision,
        case.device,
        BATCH,
    )
    assert spec.network_digest == member.network_digest
    assert spec.au_names == member.au_names
    assert spec.outputs == member.outputs
    assert [(t.name, t.shape, t.dtype) for t in spec.inputs] == [("pixels", (112, 112, 3), "uint8")]
    assert spec.versions[case.engine]


def test_outputs_equal_those_of_torch(engine: Engine, model: Model) -> None:
    member = model.members[0]
    crops, stored = read_reference(member)
    more = np.concatenate([crops, pixels(9, seed=5)])
    found, truth = engine.infer({"pixels": more}), torch_outputs(member, more)
    tolerance = TOLERANCES[engine.spec.precision]
    for name, value in found.items():
        assert value.dtype == np.float32
        spread = max(1.0, float(truth[name].reshape(len(more), -1).std(0).mean()))
        assert np.abs(value - truth[name]).max() <= tolerance * spread
        assert np.abs(value[: len(crops)] - stored[name]).max() <= tolerance * spread


def test_row_does_not_depend_on_the_rest_of_its_batch(engine: Engine) -> None:
    crops = pixels(3 * BATCH + 2, seed=11)
    expected = engine.infer({"pixels": crops})
    rng = np.random.default_rng(0)
    for _ in range(4):
        order = rng.permutation(len(crops))
        assert_same(engine.infer({"pixels": crops[order]}), expected, order)
    for row in range(0, len(crops), 4):  # alone: the rest of the batch is padding
        assert_same(engine.infer({"pixels": crops[row : row + 1]}), expected, slice(row, row + 1))
    twins = engine.infer({"pixels": np.repeat(crops[:1], BATCH, 0)})
    assert_same(twins, expected, [0] * BATCH)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_number_of_cores_changes_no_bit(
    engine: Engine, case: Case, model: Model, cache: Path, threads: int
) -> None:
    crops = pixels(BATCH + 3, seed=12)
    expected = engine.infer({"pixels": crops})
    other = opened(case, model, cache, threads=threads)
    assert_same(other.infer({"pixels": crops}), expected)
    other.close()


@pytest.mark.parametrize("rows", range(BATCH + 1))
def test_batch_may_be_partly_filled(engine: Engine, rows: int) -> None:
    crops = pixels(BATCH, seed=13)
    expected = engine.infer({"pixels": crops})
    assert_same(engine.infer({"pixels": crops[:rows]}), expected, slice(rows))
    if rows:
        assert_same(engine.submit({"pixels": crops[:rows]}).result(), expected, slice(rows))


def test_infer_takes_any_number_of_rows(engine: Engine) -> None:
    crops = pixels(2 * BATCH + 1, seed=14)
    assert_same(
        engine.infer({"pixels": crops}),
        {
            name: np.concatenate([engine.infer({"pixels": crop[None]})[name] for crop in crops])
            for name in (t.name for t in engine.spec.outputs)
        },
    )


def test_inputs_are_copied_and_outputs_are_the_callers(engine: Engine) -> None:
    crops = pixels(BATCH, seed=15)
    expected = engine.infer({"pixels": crops})
    buffer = crops.copy()
    running = []
    for _ in range(6):
        buffer[:] = crops
        running.append(engine.submit({"pixels": buffer}))
        buffer[:] = 0
    results = [future.result() for future in running]
    for result in results:
        assert_same(result, expected)
    for value in results[0].values():
        value[:] = 99
    assert_same(results[1], expected)


def test_inputs_may_be_views_with_any_strides(engine: Engine) -> None:
    crops = pixels(BATCH, seed=16)
    expected = engine.infer({"pixels": crops})
    mirrored = np.ascontiguousarray(crops[:, :, ::-1])[:, :, ::-1]
    planes = np.ascontiguousarray(crops.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    read_only = crops.copy()
    read_only.flags.writeable = False
    for view in (mirrored, planes, read_only):
        assert_same(engine.infer({"pixels": view}), expected)


def test_inputs_may_be_tensors_of_the_cpu_or_the_device(engine: Engine, case: Case) -> None:
    crops = torch.from_numpy(pixels(BATCH + 2, seed=19))
    expected = engine.infer({"pixels": crops.numpy()})
    for device in dict.fromkeys(("cpu", case.device)):
        placed = crops.to(device)
        assert_same(engine.infer({"pixels": placed}), expected)
        assert_same(engine.infer({"pixels": placed[::2]}), expected, slice(None, None, 2))
        running = engine.submit({"pixels": placed[:BATCH]})
        placed.zero_()  # the caller's again
        assert_same(running.result(), expected, slice(BATCH))
        crops = torch.from_numpy(pixels(BATCH + 2, seed=19))
    with pytest.raises(EngineError, match=r"expected uint8.*found float32"):
        engine.submit({"pixels": crops[:1].float()})


def test_engine_is_shared_by_many_threads(engine: Engine) -> None:
    crops = pixels(40, seed=17)
    expected = engine.infer({"pixels": crops})

    def ask(start: int) -> dict[str, np.ndarray]:
        return engine.infer({"pixels": crops[start : start + 1 + start % (2 * BATCH)]})

    with ThreadPoolExecutor(8) as threads:
        starts = [i % 40 for i in range(0, 120, 7)]
        for start, result in zip(starts, threads.map(ask, starts), strict=True):
            assert_same(result, expected, slice(start, min(40, start + 1 + start % (2 * BATCH))))


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, r"expected the inputs \['pixels'\], found \[\]"),
        ({"image": pixels(1)}, r"found \['image'\]"),
        ({"pixels": pixels(1), "more": pixels(1)}, r"found \['more', 'pixels'\]"),
        ({"pixels": pixels(1).astype(np.float32)}, "expected uint8 of shape rows×112×112×3, found float32"),
        ({"pixels": pixels(1).astype(np.int8)}, "found int8"),
        ({"pixels": pixels(1)[0]}, "found uint8 of shape 112×112×3"),
        ({"pixels": pixels(1).transpose(0, 3, 1, 2)}, "found uint8 of shape 1×3×112×112"),
        ({"pixels": pixels(1)[:, :100]}, "found uint8 of shape 1×100×112×3"),
        ({"pixels": np.uint8(3)}, "found uint8 of shape no dimensions"),
        ({"pixels": pixels(0)}, "at least 1"),
        ({"pixels": pixels(BATCH + 1)}, f"at most {BATCH} rows in a batch, found {BATCH + 1}"),
    ],
)
def test_wrong_inputs_are_refused_without_side_effects(engine: Engine, inputs: Any, told: str) -> None:
    for _ in range(4):  # more often than there are batches in flight
        with pytest.raises(EngineError, match=told):
            engine.submit(inputs)
    assert engine.infer({"pixels": pixels(1)})["logits"].shape == (1, len(engine.spec.au_names))


def test_close_waits_for_batches_and_may_be_repeated(case: Case, model: Model, cache: Path) -> None:
    engine = opened(case, model, cache)
    crops = pixels(BATCH)
    expected = engine.infer({"pixels": crops})
    running = [engine.submit({"pixels": crops}) for _ in range(3)]
    engine.close()
    assert all(future.done() for future in running)
    for future in running:
        assert_same(future.result(), expected)
    engine.close()
    for ask in (engine.submit, engine.infer):
        with pytest.raises(EngineError, match="is closed"):
            ask({"pixels": crops})


@pytest.mark.parametrize("batch", [1, 16])
def test_batch_size_does_not_change_the_errors(case: Case, model: Model, cache: Path, batch: int) -> None:
    crops = pixels(9, seed=18)
    truth = torch_outputs(model.members[0], crops)
    other = opened(case, model, cache, batch=batch)
    for name, value in other.infer({"pixels": crops}).items():
        spread = max(1.0, float(truth[name].reshape(len(crops), -1).std(0).mean()))
        assert np.abs(value - truth[name]).max() <= TOLERANCES[case.precision] * spread
    other.close()


def test_unknown_engines_precisions_and_devices_are_refused(student_model: Model, tmp_path: Path) -> None:
    from autrt.errors import UsageError

    graph = Graph.of(student_model.members[0])
    with pytest.raises(
        UsageError, match="no engine is called 'openvine'; known: openvino, onnxruntime, torch"
    ):
        open_engine(graph, engine="openvine", cache=tmp_path)
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(EngineError, match=f"the {engine} engine runs on cpu, not on 'cuda:0'"):
            open_engine(graph, engine=engine, device="cuda:0", cache=tmp_path)
        with pytest.raises(EngineError, match=f"the {engine} engine computes in f32.* not in 'fp16'"):
            open_engine(graph, engine=engine, precision="fp16", cache=tmp_path)
    with pytest.raises(EngineError, match="batch: expected at least 1, found 0"):
        open_engine(graph, batch=0, cache=tmp_path)
    with pytest.raises(EngineError, match="not the bare file"):
        open_engine(Graph(path=graph.path, network_digest="0" * 64), engine="torch", cache=tmp_path)
