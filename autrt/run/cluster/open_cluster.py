"""Connects to a cluster for a run, and looks at its nodes before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from autrt.model.folder import PACKAGED
from autrt.run.cluster.connection import connected, living, look_at
from autrt.run.cluster.node import Terms
from autrt.run.cluster.pool import RayPool
from autrt.run.job import Job
from autrt.run.worker_pool import WorkerPool
from autrt.types import Source


def open_cluster(
    address: str,
    job: Job,
    todo: Sequence[Source],
    opened: ExitStack,
    *,
    most: int | None = None,
    offline: bool = False,
    say: Callable[[str], object] = lambda line: None,
) -> Callable[[Path], WorkerPool]:
    """Connect to a cluster, and return a function that makes the pool for the file of a run.

    Args:
        address: as `connected` takes it.
        job: model, settings and output folder.
        todo: the videos.
        opened: closes the connection.
        most: videos in flight on each node.
        offline: the nodes fetch nothing.
        say: takes a line for the user.

    Raises:
        UsageError: there is no such cluster.
        MissingDependencyError: Ray is not installed.
    """
    opened.enter_context(connected(address))
    path = job.model.path
    terms = Terms(
        job=replace(job, out=job.out.absolute()),
        model=path.name if path.parent == PACKAGED else path.absolute(),
        offline=offline,
        sample=next((s.path.absolute() for s in todo if os.path.lexists(s.path)), None),
    )
    nodes = look_at(list(living()), terms)
    return lambda run: RayPool(terms, nodes, run.absolute(), most, say)
