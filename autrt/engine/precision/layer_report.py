"""What the layers of a network do in another precision: told when its graph was derived, kept beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph

RECIPE: Final = 1
"""Raised when the same network would become another graph."""

LAYERS: Final = "layers.json"


@dataclass(frozen=True, slots=True)
class Layer:
    """One node of a network."""

    name: str
    op: str
    """ONNX operator."""
    largest: float
    """Largest absolute number that it takes, gives or can sum up to in float32, over all crops."""
    error: float
    """Root mean square of what it gives wrongly, over that of what it should give."""
    precision: str
    """f32, fp16 or int8: what it computes in."""


def derived_store(graph: Graph, precision: str, cache: Path | None) -> EngineCache:
    """Where the graph that was derived for a precision lies."""
    return EngineCache(EngineCache.of_network(graph, cache) / f"graph-{precision}-{RECIPE}")


def read_layers(graph: Graph, precision: str, cache: Path | None) -> tuple[Layer, ...]:
    """The layers of a derived graph, in its order; none where no graph was derived."""
    facts = derived_store(graph, precision, cache).read_json(LAYERS)
    return tuple(Layer(**layer) for layer in facts["layers"]) if facts else ()
