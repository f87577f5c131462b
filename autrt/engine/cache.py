"""Built engines in the user's cache folder, one folder each."""

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
        """The folder for a graph: named by network, engine, version, precision, batches, size and device.

        Args:
            graph: the network.
            engine: registry name of the engine.
            version: of the library that made the engine; others need not load it.
            options: how the engine runs.
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
        """The folder that holds the folders of all of a network's engines."""
        return (root or cache_dir()) / "engines" / graph.network_digest[:32]


def _place(device: str) -> str:
    """What of this machine decides an engine's code and numbers."""
    if device == "cpu":
        return instruction_set()
    gpu = find_gpu(device)
    return gpu.word if gpu else device.replace(":", "")
