"""Engine on the CPU through ONNX Runtime, which every installation has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from autrt.engine.graph import Graph, Options
from autrt.engine.inputs import HostBuffers
from autrt.engine.pool import PooledEngine
from autrt.engine.precision.fixed_graph import fixed_graph
from autrt.errors import EngineError, EngineOptionError
from autrt.extras import importing
from autrt.machine import require_int8
from autrt.model.folder import Member
from autrt.types import F32, U8, EngineSpec, TensorSpec

ERRORS_ALONE: Final = 3
"""ONNX Runtime's log level."""


def open_onnxruntime(graph: Graph, options: Options, cache: Path | None = None) -> PooledEngine:
    """Load a graph; only a graph derived for int8 is cached.

    There is one runner per core, each in its own thread. A batch is never split, so that a row's numbers do not
    depend on the number of cores, and no thread spins.

    Raises:
        MissingDependencyError: onnx, which int8 needs, is not installed.
        EngineError: this machine has no such device or precision, or ONNX Runtime cannot load the graph.
    """
    if options.precision == "bf16":
        raise EngineOptionError(
            "ONNX Runtime has no bfloat16 on a CPU: expected f32 or int8, or --engine openvino "
            "(pip install 'autrt[openvino]')"
        )
    options.require("onnxruntime", devices=("cpu",), precisions=("f32", "int8"))
    if options.precision == "int8":
        require_int8()
        with importing("the precision 'int8'"):
            from autrt.engine.precision.derive_graph import derive
        graph = derive(graph, options, cache)
    return run_graph(graph, options)


def run_graph(graph: Graph, options: Options) -> PooledEngine:
    """Load a graph as it is, whatever its precision; some float16 layers are computed in float32.

    Raises:
        EngineError: ONNX Runtime cannot load the graph.
    """
    graph.verify()
    model = fixed_graph(graph, options.batch)
    try:
        session = ort.InferenceSession(model, one_thread_settings(), providers=["CPUExecutionProvider"])
        runners = [
            OnnxRuntimeRunner(session, options.batch) for _ in range(options.in_flight or options.cores)
        ]
        first = runners[0].run(options.batch)
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise EngineError(f"ONNX Runtime cannot run {graph.path}: {error}") from error
    return PooledEngine(_spec(session, first, graph, options), runners)


def graph_outputs(member: Member, crops: U8) -> dict[str, F32]:
    """Return the outputs of a member's graph, name → float32 (n, …), for crops, uint8 (n, 112, 112, 3) RGB."""
    with run_graph(Graph.of(member), Options(batch=4)) as engine:
        return engine.infer({engine.spec.inputs[0].name: crops})


class OnnxRuntimeRunner(HostBuffers):
    """Runner with buffers of its own; all runners share the session."""

    def __init__(self, session: ort.InferenceSession, batch: int) -> None:
        inputs = session.get_inputs()
        super().__init__({one.name: np.zeros((batch, *one.shape[1:]), np.uint8) for one in inputs})
        self._session = session
        self._names = [tensor.name for tensor in session.get_outputs()]

    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Compute a batch in this thread; see `autrt.engine.pool.Runner`."""
        found: list[Any] = list(self._session.run(self._names, dict(self.buffers)))
        return dict(zip(self._names, found, strict=True))


def one_thread_settings() -> ort.SessionOptions:
    """Return options of a session that computes in the caller's thread alone, and is silent but for errors."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    settings.log_severity_level = ERRORS_ALONE
    return settings


def _spec(
    session: ort.InferenceSession, first: Mapping[str, np.ndarray[Any, Any]], graph: Graph, options: Options
) -> EngineSpec:
    inputs = tuple(TensorSpec(t.name, tuple(t.shape[1:]), "uint8") for t in session.get_inputs())
    return EngineSpec(
        engine="onnxruntime",
        network_digest=graph.network_digest,
        inputs=inputs,
        outputs=tuple(TensorSpec(name, value.shape[1:], "float32") for name, value in first.items()),
        precision=options.precision,
        batch=options.batch,
        device=options.device,
        au_names=graph.au_names,
        versions={"onnxruntime": ort.__version__},
        graph_digest=graph.derived,
    )
