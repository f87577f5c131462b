"""Cache of built engines: one folder for each engine."""

from __future__ import annotations

from pathlib import Path

from autrt.engine.gpu import find_gpu
from autrt.engine.graph import Graph, Options
from autrt.machine import instruction_set
from autrt.storage.cache import CacheFolder, cache_dir


class EngineCache(CacheFolder):
    """The cache folder of one engine."""

    @classmethod
    def of(cls, graph: Graph, engine: str, version: str, options: Options, root: Path | None) -> EngineCache:
        """Return the folder of an engine, named by network, engine, version, precision, batches, size and device.

        Args:
            graph: the network.
            engine: name of the engine, a key of `autrt.engine.open.ENGINES`.
            version: version of the library that builds the engine; other versions may not be able to load it.
            options: settings that the engine is built with.
            root: the cache folder; None: the user's, or `AUTRT_CACHE`.
        """
        size = f"-{graph.size[0]}x{graph.size[1]}" if graph.size else ""
        derived = f"-{graph.derived[:8]}" if graph.derived else ""
        batch = "-".join(map(str, options.profile or (options.batch,)))
        place = "+".join(options.targets) or _place(options.device)
        name = f"{engine}-{version}-{options.precision}{derived}-b{batch}{size}-{place}"
        return cls(cls.of_network(graph, root) / name)

    @staticmethod
    def of_network(graph: Graph, root: Path | None) -> Path:
        """Return the folder that holds the folders of all engines of a network."""
        return (root or cache_dir()) / "engines" / graph.network_digest[:32]


def _place(device: str) -> str:
    """Return a name of the processor, which decides an engine's code and its roundings."""
    if device == "cpu":
        return instruction_set()
    gpu = find_gpu(device)
    return gpu.word if gpu else device.replace(":", "")
