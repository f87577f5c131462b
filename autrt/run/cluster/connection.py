"""The connection to a Ray cluster, and its nodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from autrt.errors import AutrtError, UsageError
from autrt.extras import importing
from autrt.run.cluster.node import NodeFacts, Terms, look
from autrt.run.cluster.places import Node

LOOK_S: Final = 180.0
"""Longest time to look at a node: it imports autrt, and may fetch the face detector."""

_CLIENT: Final = "ray://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A node that does no videos of a run."""

    host: str
    reason: str


@contextmanager
def connected(address: str) -> Generator[None]:
    """Connect this process to a cluster; a connection that is there already is used, and left as it is.

    Args:
        address: host:port of its head, or auto for the one that this machine belongs to.

    Raises:
        UsageError: there is no such cluster.
        MissingDependencyError: Ray is not installed.
    """
    if address.startswith(_CLIENT):
        raise UsageError(
            f"ray: expected auto or HOST:PORT, found {address!r}: run the command on a machine of the cluster, for "
            "example by `ray job submit`"
        )
    # Ray prints its nodes' complaints on standard output, which is for --progress json.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    with importing("--ray", "ray"):
        import ray
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"ray: expected a cluster at {address!r}, found none ({str(error).splitlines()[0]}): start one by "
            "`ray start --head`, and `ray start --address HOST:6379` on each further machine"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def living() -> dict[str, dict[str, Any]]:
    """Return what Ray says of each node that lives, by its ID."""
    import ray

    return {found["NodeID"]: found for found in ray.nodes() if found["Alive"]}


def look_at(ids: Sequence[str], terms: Terms) -> list[Node | Refused]:
    """Look at nodes, all at once; those that died meanwhile are left out.

    Args:
        ids: of the nodes.
        terms: what they must agree with.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    def ask(node: str) -> Any:
        options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": On(node, soft=False)}
        return ray.remote(look).options(**options).remote(terms)

    answers = {node: ask(node) for node in ids}
    ray.wait(list(answers.values()), num_returns=len(answers), timeout=LOOK_S)
    nodes: list[Node | Refused] = []
    alive = living()
    for id_, answer in answers.items():
        if id_ not in alive:
            continue
        host, resources = alive[id_]["NodeManagerHostname"], alive[id_]["Resources"]
        try:
            facts: NodeFacts | AutrtError = ray.get(answer, timeout=0)
        except Exception as error:
            facts = AutrtError(f"autrt does not run there: {_last_line(error)}")
        if isinstance(facts, AutrtError):
            nodes.append(Refused(host=host, reason=str(facts)))
        else:
            cores, gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
            nodes.append(Node(id=id_, host=host, cores=cores, gpus=gpus, facts=facts))
    return nodes


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
