"""Engine on the CPU through OpenVINO, which also has bfloat16 and is the fastest in int8."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options
from autrt.engine.inputs import HostBuffers
from autrt.engine.pool import PooledEngine
from autrt.errors import EngineError
from autrt.extras import importing
from autrt.machine import require_bf16, require_int8
from autrt.types import EngineSpec, TensorSpec

if TYPE_CHECKING:
    import openvino as ov

BLOB = "engine.blob"
"""File with the compiled network, as OpenVINO exports it."""

_PRECISION_NAMES = {"f32": "f32", "bf16": "bf16", "float32": "f32", "bfloat16": "bf16"}


def open_openvino(graph: Graph, options: Options, cache: Path | None = None) -> PooledEngine:
    """Compile a graph, or load it as an earlier start compiled it.

    One stream per core and one thread per stream: a batch is never split, so that a row's numbers depend neither
    on the batch size nor on the number of cores, and no core waits for another.

    Raises:
        MissingDependencyError: OpenVINO, or onnx for int8, is not installed.
        EngineError: this machine has no such device or precision, or OpenVINO cannot compile the graph.
    """
    core = import_openvino().Core()
    options.require("openvino", devices=("cpu",), precisions=("f32", "bf16", "int8"))
    if options.precision == "bf16":
        require_bf16("BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    if options.precision == "int8":
        require_int8()
        with importing("the precision 'int8'", extra="openvino"):
            from autrt.engine.precision.derive_graph import derive
        graph = derive(graph, options, cache)
    settings = _settings(options)
    store = EngineCache.of(graph, "openvino", version("openvino"), options, cache)
    try:
        compiled = _load(core, store, settings)
        if compiled is None:
            with store.lock():  # one process compiles, the others wait and load
                compiled = _load(core, store, settings) or _compile(core, graph, options, store, settings)
        in_flight = options.in_flight or options.cores + 1
        runners = [OpenVINORunner(compiled) for _ in range(in_flight)]
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot run {graph.path}: {_reason(error)}") from error
    return PooledEngine(_spec(compiled, graph, options), runners)


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    Raises:
        MissingDependencyError: it is not installed.
    """
    # With this package OpenVINO reports every import to its maker, over the network, from a fork of the process.
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    with importing("the engine 'openvino'"):
        import openvino
    return openvino


class OpenVINORunner(HostBuffers):
    """Runner with one infer request, whose input tensors are the buffers."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = request = compiled.create_infer_request()
        super().__init__({port.any_name: request.get_tensor(port).data for port in compiled.inputs})
        self._outputs = {port.any_name: request.get_tensor(port) for port in compiled.outputs}

    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Compute a batch; the returned arrays are the request's output tensors."""
        # infer() would compute in this thread, beside the streams; wait() also raises errors, for which OpenVINO
        # calls no callback.
        self._request.start_async()
        self._request.wait()
        return {name: tensor.data for name, tensor in self._outputs.items()}


def _settings(options: Options) -> dict[str, Any]:
    return {
        # By default OpenVINO uses bf16 where it can. In an int8 graph this is for the layers that stay float.
        "INFERENCE_PRECISION_HINT": "f32" if options.precision == "int8" else options.precision,
        "NUM_STREAMS": str(options.cores),
        "INFERENCE_NUM_THREADS": options.cores,
        "ENABLE_CPU_PINNING": False,  # several engines and other stages share the cores
    }


def _load(core: ov.Core, store: EngineCache, settings: dict[str, Any]) -> ov.CompiledModel | None:
    """Load the compiled network; None where it is missing, damaged or of another OpenVINO."""
    blob = store.read(BLOB)
    if blob is None:
        return None
    try:
        return core.import_model(blob, "CPU", settings)
    except RuntimeError:
        return None


def _compile(
    core: ov.Core, graph: Graph, options: Options, store: EngineCache, settings: dict[str, Any]
) -> ov.CompiledModel:
    graph.verify()
    compiled = core.compile_model(_read(core, graph, options.batch), "CPU", settings)
    exported = io.BytesIO()  # without a stream, its releases return different types
    compiled.export_model(exported)
    store.write(BLOB, exported.getvalue())
    return compiled


def _read(core: ov.Core, graph: Graph, batch: int) -> ov.Model:
    """Read a graph with a fixed batch and size, and uint8 (B, H, W, 3) as its input."""
    import openvino as ov
    from openvino import preprocess

    model = core.read_model(graph.path)
    if len(model.inputs) != 1:
        names = [port.any_name for port in model.inputs]
        raise EngineError(f"{graph.path}: expected a network of one input, found {names}")
    shape = list(model.input(0).partial_shape)
    shape[0] = batch
    if graph.size is not None:
        rows = slice(1, 3) if graph.input_layout == "NHWC-u8" else slice(2, 4)
        shape[rows] = graph.size
    model.reshape({model.input(0).any_name: ov.PartialShape(shape)})
    if graph.input_layout == "NHWC-u8":
        return model
    steps = preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(ov.Type.f32)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return steps.build()


def _spec(compiled: ov.CompiledModel, graph: Graph, options: Options) -> EngineSpec:
    def tensors(ports: list[Any], dtype: str) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(port.any_name, tuple(port.shape)[1:], dtype) for port in ports)

    precision = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
    return EngineSpec(
        engine="openvino",
        network_digest=graph.network_digest,
        inputs=tensors(compiled.inputs, "uint8"),
        outputs=tensors(compiled.outputs, "float32"),
        precision="int8" if options.precision == "int8" else _PRECISION_NAMES.get(precision, precision),
        batch=options.batch,
        device=options.device,
        au_names=graph.au_names,
        versions={"openvino": version("openvino")},
        graph_digest=graph.derived,
    )


def _reason(error: RuntimeError) -> str:
    """Return the last line of a message; OpenVINO's messages begin with positions in its source code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
