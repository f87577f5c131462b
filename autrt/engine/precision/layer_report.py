"""Errors of a derived graph's layers, written beside the graph in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph

REVISION: Final = 1
"""To be raised when the same network would be derived differently."""

LAYERS: Final = "layers.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A node of a graph."""

    name: str
    op: str
    """ONNX operator."""
    largest: float
    """Largest absolute value of its inputs, outputs and sums in float32, over all crops."""
    error: float
    """Relative error of its output: root mean square of the error over that of the float32 output."""
    precision: str
    """Precision that it computes in: f32, fp16 or int8."""


def derived_store(graph: Graph, precision: str, cache: Path | None) -> EngineCache:
    """Return the cache folder of the graph that is derived for a precision."""
    return EngineCache(EngineCache.of_network(graph, cache) / f"graph-{precision}-{REVISION}")


def read_layers(graph: Graph, precision: str, cache: Path | None) -> tuple[Layer, ...]:
    """Return the layers of a derived graph, in the graph's order; none where no graph was derived."""
    facts = derived_store(graph, precision, cache).read_json(LAYERS)
    return tuple(Layer(**layer) for layer in facts["layers"]) if facts else ()
