"""Where the processes of a run work: each node of a cluster is planned as one machine would be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autrt.gpu import shares
from autrt.run.cluster.node import NodeFacts
from autrt.run.job import Job
from autrt.run.worker import PROCESS_BYTES, fits_every_core

LARGE_PROCESS_BYTES: Final = 2 << 30
"""Memory that a process with large networks on a CPU may need."""

_PARTS: Final = 10_000
"""Ray counts GPUs in such parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of a cluster."""

    id: str
    host: str
    cores: int
    """That Ray gives away there."""
    gpus: int
    """That Ray gives away there."""
    facts: NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one process takes of a node."""

    node: Node
    cores: int
    gpus: float
    """Share of a GPU; 0 on a CPU."""


def process_bytes(job: Job) -> int:
    """Return the memory of its node that a process may need with frames of up to 4K."""
    if job.settings.device != "cpu":
        return shares.HOST_BYTES
    return PROCESS_BYTES if fits_every_core(job) else LARGE_PROCESS_BYTES


def places(nodes: Sequence[Node], job: Job, videos: int, most: int | None = None) -> list[Place]:
    """Deal processes out among nodes, one video each at a time.

    Small networks on a CPU get a process for each core; others keep several cores busy.

    Args:
        nodes: of the cluster.
        job: model and settings.
        videos: number of videos; there are no more processes.
        most: the user's limit for each node.
    """
    rooms = {node.id: _room(node, job, most) for node in nodes}
    dealt = [
        node for turn in range(max(rooms.values(), default=0)) for node in nodes if turn < rooms[node.id]
    ]
    dealt = dealt[:videos]
    on_node = Counter(node.id for node in dealt)
    on_gpu = job.settings.device != "cpu"
    return [
        Place(
            node=node,
            cores=max(1, node.cores // on_node[node.id]),
            gpus=_share(node.gpus, on_node[node.id]) if on_gpu else 0.0,
        )
        for node in dealt
    ]


def _room(node: Node, job: Job, most: int | None) -> int:
    """Return how many processes a node holds; none where Ray gives none of its cores, or no GPU, away."""
    by_memory = node.facts.memory_bytes / process_bytes(job)
    if job.settings.device == "cpu":
        by_cores = node.cores if fits_every_core(job) else -(-node.cores // shares.CORES_EACH)
        return int(min(by_cores, most or by_cores, max(1, by_memory)))
    if not node.cores:
        return 0
    on_each = [shares.room(bytes_) for bytes_ in node.facts.gpu_bytes[: node.gpus]]
    on_each += [1] * (node.gpus - len(on_each))
    n = min(node.cores // shares.CORES_EACH, most or node.cores, by_memory)
    return int(min(max(n, node.gpus), min(on_each, default=0) * node.gpus, node.cores))


def _share(gpus: int, processes: int) -> float:
    """Return the share of a GPU that each process gets, as Ray counts it."""
    return 1.0 if processes <= gpus else _PARTS // -(-processes // gpus) / _PARTS
