"""Engine on an NVIDIA GPU through Torch-TensorRT: exported by torch, compiled ahead of time, cached as a program.

This code has never been run, for want of a GPU. It follows the signatures of torch-tensorrt 2.14.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch

from autrt.engine.backends.torch import PIXELS, load_pixel_network, torch_spec
from autrt.engine.backends.torch_cuda import BUILDING, IN_FLIGHT, CudaRunner
from autrt.engine.cache import EngineCache
from autrt.engine.gpu import require_gpu
from autrt.engine.graph import Graph, Options
from autrt.engine.pool import PooledEngine
from autrt.errors import EngineError
from autrt.model.preprocess import INPUT

torch_tensorrt: Any = import_module("torch_tensorrt")

PROGRAM: Final = "engine.ep"
ADVICE: Final = "Torch-TensorRT builds and runs on a GPU alone"


def open_torch_tensorrt(graph: Graph, options: Options, cache: Path | None = None) -> PooledEngine:
    """Compile a member's network, or load it as an earlier start compiled it.

    Raises:
        EngineError: there is no GPU or no such precision, or the graph belongs to no model member.
    """
    options.require("torch-tensorrt", devices=("cuda",), precisions=("f32", "fp16", "bf16"))
    require_gpu(options.device, "torch-tensorrt", ADVICE)
    version = torch_tensorrt.__version__
    store = EngineCache.of(graph, "torch-tensorrt", version, options, cache)
    with BUILDING, store.lock(), torch.cuda.device(options.device):
        content = store.read(PROGRAM)
        if content is None:
            content = _compile(graph, options)
            store.write(PROGRAM, content)
        runners = [_runner(content, options) for _ in range(options.in_flight or IN_FLIGHT)]
    spec = torch_spec("torch-tensorrt", runners[0].run(1), graph, options, {"torch-tensorrt": version})
    return PooledEngine(spec, runners)


def _runner(content: bytes, options: Options) -> CudaRunner:
    """Return a runner with a program of its own.

    A program has one execution context, whose memory two recordings on two streams would share.
    """
    program = _load(content)
    return CudaRunner(lambda placed: program(placed[INPUT]), [PIXELS], options)


def _compile(graph: Graph, options: Options) -> bytes:
    network = load_pixel_network(graph, options)
    crops = torch.zeros((options.batch, *PIXELS.shape), dtype=torch.uint8, device=options.device)
    with torch.no_grad(), tempfile.TemporaryDirectory() as scratch:
        exported = torch.export.export(network.to(options.device), (crops,))
        compiled = torch_tensorrt.dynamo.compile(
            exported,
            arg_inputs=[crops],
            device=options.device,
            disable_tf32=True,
            use_fp32_acc=True,
            min_block_size=1,
        )
        path = Path(scratch) / PROGRAM
        torch_tensorrt.save(compiled, str(path), output_format="exported_program", arg_inputs=[crops])
        return path.read_bytes()


def _load(content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / PROGRAM
        path.write_bytes(content)
        try:
            return torch_tensorrt.load(str(path)).module()
        except Exception as error:
            raise EngineError(f"Torch-TensorRT cannot load what it compiled: {error}") from error
