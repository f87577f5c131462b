"""Cached engines: reused, rebuilt where damaged, and optional where the cache cannot be written."""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from autrt.engine.backends import openvino as openvino_engine
from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options
from autrt.engine.open import SPEC_FILE, open_engine
from autrt.errors import EngineError, UsageError
from autrt.model import folder as model_folder
from autrt.model.folder import Model, load_model
from autrt.types import Engine
from tests.support.models import copied, pixels

pytest_plugins = ("tests.support.model_fixtures",)


def blobs(root: Path) -> Sequence[Path]:
    return sorted(root.rglob(openvino_engine.BLOB))


def logits(engine: Engine) -> np.ndarray:
    found = engine.infer({"pixels": pixels(3, seed=21)})["logits"]
    engine.close()
    return found


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the paths of graphs that OpenVINO compiles."""
    seen: list[Path] = []
    real = openvino_engine._compile  # pyright: ignore[reportPrivateUsage]

    def spy(core, graph, *rest):
        seen.append(graph.path)
        return real(core, graph, *rest)

    monkeypatch.setattr(openvino_engine, "_compile", spy)
    return seen


def test_cache_gives_the_second_start_the_compiled_engine(student_model: Model, tmp_path, compiled) -> None:
    graph = Graph.of(student_model.members[0])
    first = logits(open_engine(graph, cache=tmp_path))
    second = logits(open_engine(graph, cache=tmp_path, threads=1))
    assert len(compiled) == len(blobs(tmp_path)) == 1
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("change", [{"batch": 4}, {"precision": "bf16"}])
def test_cache_folder_follows_every_option_of_an_engine(student_model: Model, tmp_path, change) -> None:
    graph, options = Graph.of(student_model.members[0]), Options()
    base = EngineCache.of(graph, "openvino", "1.0", options, tmp_path).folder
    assert EngineCache.of(graph, "openvino", "1.0", Options(**change), tmp_path).folder != base
    assert EngineCache.of(graph, "openvino", "1.1", options, tmp_path).folder != base
    assert EngineCache.of(graph, "onnxruntime", "1.0", options, tmp_path).folder != base
    sized = Graph(path=graph.path, network_digest=graph.network_digest, size=(32, 64))
    assert EngineCache.of(sized, "openvino", "1.0", options, tmp_path).folder != base
    other = Graph(path=graph.path, network_digest="f" * 64)
    assert EngineCache.of(other, "openvino", "1.0", options, tmp_path).folder != base
    assert EngineCache.of(graph, "openvino", "1.0", Options(threads=1), tmp_path).folder == base


def test_cache_folder_of_the_user_is_the_default(student_model: Model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "mine"))
    logits(open_engine(Graph.of(student_model.members[0])))
    assert len(blobs(tmp_path / "mine" / "engines")) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "foreign"])
def test_cache_rebuilds_a_damaged_engine(student_model: Model, tmp_path, compiled, damage) -> None:
    graph = Graph.of(student_model.members[0])
    expected = logits(open_engine(graph, cache=tmp_path))
    (blob,) = blobs(tmp_path)
    whole = blob.read_bytes()
    middle = len(whole) // 2
    if damage == "foreign":  # whole, but nothing that OpenVINO knows
        store = EngineCache(blob.parent)
        store.write(blob.name, b"not an engine")
        assert store.read(blob.name) == b"not an engine"
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        blob.write_bytes({"flip": flipped, "truncate": whole[:middle], "empty": b""}[damage])
    np.testing.assert_array_equal(logits(open_engine(graph, cache=tmp_path)), expected)
    assert len(compiled) == 2
    logits(open_engine(graph, cache=tmp_path))
    assert len(compiled) == 2


def test_cache_that_cannot_be_written_is_no_obstacle(student_model: Model, tmp_path, caplog) -> None:
    (tmp_path / "engines").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        engine = open_engine(Graph.of(student_model.members[0]), cache=tmp_path)
    assert logits(engine).shape == (3, 12)
    assert "cannot keep" in caplog.text


def test_cache_holds_only_whole_files(student_model: Model, tmp_path: Path) -> None:
    logits(open_engine(Graph.of(student_model.members[0]), cache=tmp_path))
    (blob,) = blobs(tmp_path)
    assert sorted(p.name for p in blob.parent.iterdir()) == sorted([blob.name, SPEC_FILE, "lock"])


def test_cache_lock_admits_one_at_a_time(tmp_path: Path) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def enter() -> None:
        for _ in range(20):
            with EngineCache(tmp_path / "engine").lock():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def _start(model_path: Path, cache: Path, found) -> None:
    engine = open_engine(Graph.of(load_model(model_path).members[0]), cache=cache)
    found.put(engine.infer({"pixels": pixels(2)})["logits"].tobytes())
    engine.close()


def test_cache_is_shared_by_processes_that_start_together(student_model: Model, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    starts = [context.Process(target=_start, args=(student_model.path, tmp_path, found)) for _ in range(3)]
    for process in starts:
        process.start()
    answers = {found.get(timeout=120) for _ in starts}
    for process in starts:
        process.join()
    assert len(answers) == 1
    assert len(blobs(tmp_path)) == 1


def test_open_engine_refuses_a_damaged_model_file(student_model: Model, tmp_path, monkeypatch) -> None:
    path = copied(student_model, tmp_path / "copy")
    monkeypatch.setattr(model_folder, "HASHED_BYTES", 0)  # as if the file were too large to hash on load
    graph = path / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    member = load_model(path).members[0]
    for engine in ("openvino", "onnxruntime", "torch"):
        with pytest.raises(UsageError, match=r"model\.onnx is damaged"):
            open_engine(Graph.of(member), engine=engine, cache=tmp_path / "cache")


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_open_engine_refuses_a_file_that_is_no_network(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "network.onnx"
    with pytest.raises(EngineError, match=r"network\.onnx.*found no file"):
        open_engine(Graph(path=path, network_digest="0" * 64), engine=engine, cache=tmp_path)
    for content in (b"", b"text, no network", b"\x08\x07"):
        path.write_bytes(content)
        with pytest.raises(EngineError, match=r"network\.onnx"):
            open_engine(Graph(path=path, network_digest="0" * 64), engine=engine, cache=tmp_path)
