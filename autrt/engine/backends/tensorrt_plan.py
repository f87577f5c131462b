"""Built TensorRT engines ("plans") in the cache, each with a JSON file that describes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from autrt.engine.cache import EngineCache
from autrt.engine.graph import Graph, Options
from autrt.types import EngineSpec, TensorSpec

PLAN: Final = "engine.plan"
FACTS: Final = "build.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A built engine."""

    content: bytes
    spec: EngineSpec
    batches: tuple[int, int, int]
    """Smallest, best and largest batch."""
    targets: tuple[str, ...]
    """GPUs that it runs on: compute capabilities, or for TensorRT the GPU that it was built on."""
    seconds: float
    """Seconds that the build took."""
    folder: Path
    """Its folder in the cache."""


def save_plan(plan: Plan, graph: Graph) -> None:
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
    """Load the plan in a folder; None where it is missing or damaged."""
    store = EngineCache(folder)
    facts, content = store.read_json(FACTS), store.read(PLAN)
    if facts is None or content is None:
        return None
    batches, targets = tuple(facts["batches"]), tuple(facts["targets"])
    return Plan(
        content=content,
        spec=_spec(facts["spec"]),
        batches=batches,
        targets=targets,
        seconds=facts["seconds"],
        folder=folder,
    )


def find_plan(
    graph: Graph, engine: str, version: str, options: Options, target: str, cache: Path | None
) -> Plan | None:
    """Find a plan in the cache for a graph; None where there is none.

    Args:
        graph: the graph, derived for the precision.
        engine: tensorrt or tensorrt-rtx.
        version: version of the library.
        options: precision, and the batch that the plan must take.
        target: the GPU that the plan must run on, as in `Plan.targets`.
        cache: the cache folder; None: the user's, or `AUTRT_CACHE`.
    """
    wanted = (graph.derived, engine, version, options.precision)
    for path in sorted(EngineCache.of_network(graph, cache).glob(f"{engine}-*/{FACTS}")):
        facts = EngineCache(path.parent).read_json(FACTS)
        if facts is None or target not in facts["targets"]:
            continue
        least, _, most = facts["batches"]
        spec = facts["spec"]
        found = (spec["graph_digest"], spec["engine"], spec["versions"][spec["engine"]], spec["precision"])
        if found == wanted and least <= options.batch <= most:
            return load_plan(path.parent)
    return None


def _spec(fields: dict[str, Any]) -> EngineSpec:
    """Restore a spec from JSON, which has lists in place of tuples."""
    restored: dict[str, Any] = {**fields, "au_names": tuple(fields["au_names"])}
    for side in ("inputs", "outputs"):
        restored[side] = tuple(TensorSpec(t["name"], tuple(t["shape"]), t["dtype"]) for t in fields[side])
    return EngineSpec(**restored)
