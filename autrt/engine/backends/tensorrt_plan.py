"""Built TensorRT engines ("plans") in the cache, each with the facts that say what it is for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options
from autrt.types import EngineSpec, TensorSpec

PLAN: Final = "engine.plan"
FACTS: Final = "build.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """A built engine."""

    content: bytes
    spec: EngineSpec
    batches: tuple[int, int, int]
    """Smallest, best and largest."""
    targets: tuple[str, ...]
    """What it runs on: compute capabilities, or for TensorRT the one GPU that it was built on."""
    seconds: float
    """That it took to build."""
    folder: Path


def keep_plan(plan: Plan, graph: Graph) -> None:
    """Write a plan into its folder."""
    store = EngineCache(plan.folder)
    store.write(PLAN, plan.content)
    facts = {
        "schema": "autrt-plan/1",
        "spec": asdict(plan.spec),
        "files": {name: facts.sha256 for name, facts in graph.member.files.items()} if graph.member else {},
        "batches": plan.batches,
        "targets": plan.targets,
        "seconds": plan.seconds,
        "size_bytes": len(plan.content),
    }
    store.write_json(FACTS, facts)


def load_plan(folder: Path) -> Plan | None:
    """The plan in a folder; None where it is missing or damaged."""
    store = EngineCache(folder)
    facts, content = store.read_json(FACTS), store.read(PLAN)
    if facts is None or content is None:
        return None
    batches, targets = tuple(facts["batches"]), tuple(facts["targets"])
    return Plan(content, _spec(facts["spec"]), batches, targets, facts["seconds"], folder)


def find_plan(
    graph: Graph, engine: str, version: str, options: Options, target: str, cache: Path | None
) -> Plan | None:
    """A plan of this very graph, library and precision that takes the batch and runs on the target, if any."""
    spec = (graph.derived, engine, version, options.precision)
    for facts in sorted(EngineCache.of_network(graph, cache).glob(f"{engine}-*/{FACTS}")):
        told = EngineCache(facts.parent).read_json(FACTS)
        if told is None or target not in told["targets"]:
            continue
        least, _, most = told["batches"]
        its = told["spec"]
        found = (its["graph_digest"], its["engine"], its["versions"][its["engine"]], its["precision"])
        if found == spec and least <= options.batch <= most:
            return load_plan(facts.parent)
    return None


def _spec(told: dict[str, Any]) -> EngineSpec:
    """Undo what JSON does to tuples."""
    known: dict[str, Any] = {**told, "au_names": tuple(told["au_names"])}
    for side in ("inputs", "outputs"):
        known[side] = tuple(TensorSpec(t["name"], tuple(t["shape"]), t["dtype"]) for t in told[side])
    return EngineSpec(**known)
