"""Engine through torch, from a model's weights: on the CPU as a reference, on a CUDA GPU for speed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autrt.engine.backends.torch_cuda import IN_FLIGHT, CudaRunner
from autrt.engine.graph import Graph, Options
from autrt.engine.inputs import HostBuffers
from autrt.engine.pool import PooledEngine, Runner
from autrt.errors import EngineError, EngineOptionError
from autrt.machine import has_bf16, require_bf16
from autrt.model.load import load_network
from autrt.model.preprocess import INPUT, PixelNetwork
from autrt.types import CROP_SIZE_PX, EngineSpec, TensorSpec

PIXELS = TensorSpec(INPUT, (CROP_SIZE_PX, CROP_SIZE_PX, 3), "uint8")
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def open_torch(graph: Graph, options: Options, cache: Path | None = None) -> PooledEngine:
    """Load a member's weights into its network; nothing is cached.

    On the CPU there is one runner per core, each in its own thread.

    Raises:
        EngineError: this machine has no such device or precision, or the graph belongs to no model member.
    """
    on_cpu = options.device == "cpu"
    options.require("torch", devices=("cpu", "cuda"), precisions=("f32", "bf16") if on_cpu else tuple(DTYPES))
    if on_cpu and options.precision == "bf16":
        require_bf16(has_bf16())
    if not on_cpu and not torch.cuda.is_available():
        raise EngineOptionError(
            f"torch finds no CUDA device here (torch {torch.__version__}): use --device cpu"
        )
    network = load_pixel_network(graph, options)
    runners: list[Runner]
    if on_cpu:
        runners = [CpuRunner(network, options.batch) for _ in range(options.in_flight or options.cores)]
    else:
        network = network.to(options.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        runners = [
            CudaRunner(lambda placed: network(placed[INPUT]), [PIXELS], options)
            for _ in range(options.in_flight or IN_FLIGHT)
        ]
    first = runners[0].run(1)
    spec = torch_spec("torch", first, graph, options, {"torch": torch.__version__})
    return PooledEngine(spec, runners, _one_thread if on_cpu else None)


def load_pixel_network(graph: Graph, options: Options) -> PixelNetwork:
    """Load a member's network on the CPU, in eval mode and in the precision of `options`.

    Raises:
        EngineError: the graph belongs to no model member.
    """
    if graph.member is None:
        raise EngineError(f"the torch engine runs networks of model folders, not the bare file {graph.path}")
    graph.verify()
    dtype = DTYPES[options.precision]
    return PixelNetwork(load_network(graph.member).to(dtype), dtype).eval()


class CpuRunner(HostBuffers):
    """Runner with a buffer of its own; all runners share the network.

    Crops are computed one by one: torch computes the last elements of an array by other code than the first, with
    other roundings, so that in a batch a crop's logits would depend on its position.
    """

    def __init__(self, network: PixelNetwork, batch: int) -> None:
        super().__init__({INPUT: np.zeros((batch, *PIXELS.shape), np.uint8)})
        self._network = network

    @torch.inference_mode()
    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Compute a batch in this thread; see `autrt.engine.pool.Runner`."""
        outputs = [self._network(crop) for crop in torch.from_numpy(self.buffers[INPUT][:rows]).split(1)]
        return {name: torch.cat([one[name] for one in outputs]).numpy() for name in outputs[0]}


def _one_thread() -> None:
    """Let torch use one thread in this runner's thread; the runners already share the cores."""
    torch.set_num_threads(1)


def torch_spec(
    engine: str,
    first: Mapping[str, np.ndarray[Any, Any]],
    graph: Graph,
    options: Options,
    versions: Mapping[str, str],
) -> EngineSpec:
    """Return the spec of an engine; `first` holds the outputs of its first batch, which give the shapes."""
    return EngineSpec(
        engine=engine,
        network_digest=graph.network_digest,
        inputs=(PIXELS,),
        outputs=tuple(TensorSpec(name, value.shape[1:], "float32") for name, value in first.items()),
        precision=options.precision,
        batch=options.batch,
        device=options.device,
        au_names=graph.au_names,
        versions=versions,
    )
