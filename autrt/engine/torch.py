"""Networks by torch itself, from a model's weights: on the CPU as a reference, on a CUDA GPU for speed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autrt.engine.cpu import has_bf16
from autrt.engine.graph import Graph, Options
from autrt.engine.pool import PooledEngine, Runner
from autrt.engine.torch_cuda import CudaRunner
from autrt.errors import EngineError
from autrt.model.load import load_network
from autrt.model.pixels import INPUT, PixelNetwork
from autrt.types import CROP_SIZE_PX, U8, EngineSpec, TensorSpec

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def open_torch(graph: Graph, options: Options, cache: Path | None = None) -> PooledEngine:
    """Load a member's weights into its network; nothing is cached.

    On the CPU each runner computes alone in its own thread, as many as there are cores.

    Raises:
        EngineError: no such device or precision here, or the graph belongs to no model member.
    """
    on_cpu = options.device == "cpu"
    options.require("torch", devices=("cpu", "cuda"), precisions=("f32", "bf16") if on_cpu else tuple(DTYPES))
    if graph.member is None:
        raise EngineError(f"the torch engine runs networks of model folders, not the bare file {graph.path}")
    if on_cpu and options.precision == "bf16" and not has_bf16():
        raise EngineError("this CPU has no bfloat16 arithmetic (AVX-512 BF16 or AMX): use --precision f32")
    if not on_cpu and not torch.cuda.is_available():
        raise EngineError(f"torch finds no CUDA device here (torch {torch.__version__}): use --device cpu")
    graph.verify()
    dtype = DTYPES[options.precision]
    network = PixelNetwork(load_network(graph.member).to(dtype), dtype).eval()
    runners: list[Runner]
    if on_cpu:
        runners = [CpuRunner(network, options.batch) for _ in range(options.in_flight or options.cores)]
    else:
        placed = network.to(options.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        runners = [CudaRunner(placed, options) for _ in range(options.in_flight or 2)]
    first = runners[0].run(1)
    return PooledEngine(_spec(first, graph, options), runners, _one_thread if on_cpu else None)


class CpuRunner:
    """A buffer for one batch; the network serves all runners.

    Crops go through the network one by one: torch takes the last numbers of an array through other code than the
    first, with other roundings, so that in a batch a crop's logits would depend on its place.
    """

    def __init__(self, network: PixelNetwork, batch: int) -> None:
        self._network = network
        self._pixels = np.zeros((batch, CROP_SIZE_PX, CROP_SIZE_PX, 3), np.uint8)

    @property
    def inputs(self) -> Mapping[str, U8]:
        """This runner's own array."""
        return {INPUT: self._pixels}

    @torch.inference_mode()
    def run(self, rows: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Compute, in this thread."""
        told = [self._network(crop) for crop in torch.from_numpy(self._pixels[:rows]).split(1)]
        return {name: torch.cat([one[name] for one in told]).numpy() for name in told[0]}


def _one_thread() -> None:
    """In a runner's thread: the cores are shared out among runners already."""
    torch.set_num_threads(1)


def _spec(first: Mapping[str, np.ndarray[Any, Any]], graph: Graph, options: Options) -> EngineSpec:
    return EngineSpec(
        engine="torch",
        network_digest=graph.network_digest,
        inputs=(TensorSpec(INPUT, (CROP_SIZE_PX, CROP_SIZE_PX, 3), "uint8"),),
        outputs=tuple(TensorSpec(name, value.shape[1:], "float32") for name, value in first.items()),
        precision=options.precision,
        batch=options.batch,
        device=options.device,
        au_names=graph.au_names,
        versions={"torch": torch.__version__},
    )
