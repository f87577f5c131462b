"""Building engines with TensorRT, for this machine's GPU, and with TensorRT-RTX, for any GPU on any machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from autrt.engine.backends.tensorrt_api import OnProgress, import_library, log, make_logger, make_monitor
from autrt.engine.backends.tensorrt_plan import Plan, load_plan, save_plan
from autrt.engine.backends.tensorrt_targets import ADVICE, capabilities, refuse_float_products, targeted
from autrt.engine.cache import EngineCache
from autrt.engine.gpu import require_gpu
from autrt.engine.graph import Graph, Options
from autrt.engine.precision.derive_graph import derive
from autrt.engine.precision.fixed_graph import fixed_graph
from autrt.engine.precision.layer_report import read_layers
from autrt.errors import EngineError
from autrt.types import EngineSpec, TensorSpec

TIMINGS: Final = "timings"


def build_plan(
    engine: str, graph: Graph, options: Options, cache: Path | None, on_progress: OnProgress = log.info
) -> Plan:
    """Build an engine and cache it, or load it from the cache.

    Args:
        engine: tensorrt or tensorrt-rtx.
        graph: the graph of a model's member, or for f32 a bare file.
        options: precision, batch or profile, device; targets for tensorrt-rtx, by default the device.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.
        on_progress: called with lines about the progress of the build.

    Raises:
        MissingDependencyError: the library is not installed.
        EngineError: there is no GPU to build for, or the library does not support a target or the network.
    """
    trt = import_library(engine)
    options = targeted(engine, options)
    chosen = capabilities(trt, options.targets)
    graph = derive(graph, options, cache)
    refuse_float_products(read_layers(graph, options.precision, cache), options)
    store = EngineCache.of(graph, engine, trt.__version__, options, cache)
    with store.lock():
        plan = load_plan(store.folder)
        if plan is None:
            graph.verify()
            plan = _build(trt, engine, graph, options, chosen, store, on_progress)
            save_plan(plan, graph)
    return plan


def _build(
    trt: Any,
    engine: str,
    graph: Graph,
    options: Options,
    chosen: list[Any],
    store: EngineCache,
    on_progress: OnProgress,
) -> Plan:
    start_s = time.monotonic()
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = _parse(trt, logger, network, graph, options)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # so that f32 is float32 throughout
    config.progress_monitor = monitor = make_monitor(trt, on_progress)
    _add_profile(builder, config, network, options.batches)
    if chosen:
        config.num_compute_capabilities = len(chosen)
    for i, capability in enumerate(chosen):
        config.set_compute_capability(capability, i)
    targets = options.targets or (require_gpu(options.device, engine, ADVICE[engine]).word,)
    timings = None if chosen else _Timings(config, store, f"{trt.__version__}-{targets[0]}")
    built = builder.build_serialized_network(network, config)
    if built is None:
        reasons = "; ".join(logger.errors) or "it does not say why"
        raise EngineError(f"the {engine} engine cannot be built of {graph.path}: {reasons}")
    if timings:
        timings.save()
    del parser, monitor  # the builder uses them until here
    spec = _spec(trt, engine, network, graph, options)
    seconds = round(time.monotonic() - start_s, 3)
    return Plan(
        content=bytes(built),
        spec=spec,
        batches=options.batches,
        targets=targets,
        seconds=seconds,
        folder=store.folder,
    )


def _parse(trt: Any, logger: Any, network: Any, graph: Graph, options: Options) -> Any:
    """Read a graph into the network; return the parser, which holds the network's weights."""
    least, _, most = options.batches
    content = fixed_graph(graph, least if least == most else None)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        errors = [str(parser.get_error(i)).partition("\n")[0] for i in range(parser.num_errors)]
        raise EngineError(f"{trt.__name__} cannot read {graph.path}: {'; '.join(errors)}")
    return parser


def _add_profile(builder: Any, config: Any, network: Any, batches: tuple[int, int, int]) -> None:
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        row = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, *[(batch, *row) for batch in batches])
    config.add_optimization_profile(profile)


class _Timings:
    """TensorRT's timing cache, shared by all builds with one version on one kind of GPU."""

    def __init__(self, config: Any, store: EngineCache, name: str) -> None:
        self._config = config
        self._store = EngineCache(store.folder.parent.parent / f"timings-{name}")
        self._cache = config.create_timing_cache(self._store.read(TIMINGS) or b"")
        config.set_timing_cache(self._cache, ignore_mismatch=False)

    def save(self) -> None:
        """Write the timings for the next build."""
        self._store.write(TIMINGS, bytes(self._config.get_timing_cache().serialize()))


def _spec(trt: Any, engine: str, network: Any, graph: Graph, options: Options) -> EngineSpec:
    def tensors(get: Any, count: int, dtype: str) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(t.name, tuple(t.shape)[1:], dtype) for t in map(get, range(count)))

    return EngineSpec(
        engine=engine,
        network_digest=graph.network_digest,
        inputs=tensors(network.get_input, network.num_inputs, "uint8"),
        outputs=tensors(network.get_output, network.num_outputs, "float32"),
        precision=options.precision,
        batch=options.batch,
        device=options.device,
        au_names=graph.au_names,
        versions={engine: trt.__version__},
        graph_digest=graph.derived,
    )
