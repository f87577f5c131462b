"""Engine on an NVIDIA GPU through TensorRT or TensorRT-RTX, with torch's tensors and streams.

Building has been run with TensorRT-RTX. The code in this file has never been run on a GPU. It follows the
documentation of both libraries, and its calls are checked against their modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autrt.engine.backends.tensorrt_api import import_library, make_logger
from autrt.engine.backends.tensorrt_build import build_plan
from autrt.engine.backends.tensorrt_plan import Plan, find_plan
from autrt.engine.backends.tensorrt_targets import ADVICE, PRECISIONS
from autrt.engine.backends.torch_cuda import BUILDING, IN_FLIGHT, Compute, CudaRunner
from autrt.engine.gpu import require_gpu
from autrt.engine.graph import Graph, Options, Reduce
from autrt.engine.pool import PooledEngine
from autrt.engine.precision.derive_graph import derive
from autrt.errors import EngineError
from autrt.types import EngineSpec, TensorSpec


def _open(engine: str, graph: Graph, options: Options, cache: Path | None = None) -> PooledEngine:
    """Load a plan that fits this GPU, or build one, and open an engine on it.

    Raises:
        MissingDependencyError: the library is not installed.
        EngineError: there is no GPU, the library cannot build the network, or the plan does not run here.
    """
    trt = import_library(engine)
    options.require(engine, devices=("cuda",), precisions=PRECISIONS)
    gpu = require_gpu(options.device, engine, ADVICE[engine])
    if not torch.cuda.is_available():
        raise EngineError(
            f"torch finds no CUDA device here (torch {torch.__version__}): install torch with CUDA"
        )
    target = gpu.target if engine == "tensorrt-rtx" else gpu.word
    derived = derive(graph, options, cache)
    options = replace(options, crops=None)
    plan = find_plan(derived, engine, trt.__version__, options, target, cache)
    with BUILDING, torch.cuda.device(options.device):  # TensorRT builds for the current device
        plan = plan or build_plan(engine, graph, options, cache)
        spec = replace(plan.spec, batch=options.batch, device=options.device)
        loaded = LoadedPlan(trt, plan, spec)
        runners = [
            CudaRunner(_reduced(loaded.context(), options.reduce), spec.inputs, options)
            for _ in range(options.in_flight or IN_FLIGHT)
        ]
    first = runners[0].run(1)
    outputs = tuple(TensorSpec(name, value.shape[1:], "float32") for name, value in first.items())
    return PooledEngine(replace(spec, outputs=outputs), runners)


def _reduced(compute: Compute, reduce: Reduce | None) -> Compute:
    return compute if reduce is None else lambda placed: reduce(compute(placed))


open_tensorrt = partial(_open, "tensorrt")
open_tensorrt_rtx = partial(_open, "tensorrt-rtx")


class LoadedPlan:
    """A plan that is loaded on the current GPU.

    Args:
        trt: the library.
        plan: the plan.
        spec: the plan's spec, with the batch and device that are used.

    Raises:
        EngineError: the plan does not load; the message says why, and how to build it again.
    """

    def __init__(self, trt: Any, plan: Plan, spec: EngineSpec) -> None:
        self.spec = spec
        self._logger = make_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self.engine = self._runtime.deserialize_cuda_engine(plan.content)
        if self.engine is None:
            raise self.error(f"the engine in {plan.folder} does not load")

    def context(self) -> _Context:
        """Create an execution context; several can run at the same time."""
        context = self.engine.create_execution_context()
        if context is None:
            raise self.error("the GPU has no room for another execution context")
        return _Context(self, context)

    def error(self, what: str) -> EngineError:
        """Return the error for `what` failed, with the library's reasons and how to build the plan again."""
        spec = self.spec
        reasons = "; ".join(self._logger.errors) or "no reason is given"
        return EngineError(
            f"{what}: {reasons}. Engine, driver, GPU and the version of {spec.engine} "
            f"({spec.versions[spec.engine]}) must fit together; after a change of one of them, delete the folder "
            f"and build again: autrt build-engine --engine {spec.engine} --precision {spec.precision} "
            f"--batch {spec.batch} --device {spec.device}"
        )


class _Context:
    """An execution context and its output tensors; a call queues a batch on torch's current stream."""

    def __init__(self, loaded: LoadedPlan, context: Any) -> None:
        self._loaded, self._context = loaded, context
        spec = loaded.spec
        self._outputs = {
            tensor.name: torch.empty((spec.batch, *tensor.shape), dtype=torch.float32, device=spec.device)
            for tensor in spec.outputs
        }

    def __call__(self, placed: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        fits = [self._context.set_input_shape(name, tuple(value.shape)) for name, value in placed.items()]
        for name, value in (*placed.items(), *self._outputs.items()):
            fits.append(self._context.set_tensor_address(name, value.data_ptr()))
        if not all(fits) or not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise self._loaded.error("the engine does not run")
        return self._outputs
