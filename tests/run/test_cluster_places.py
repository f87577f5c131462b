"""Processes dealt out among the nodes of a cluster: by cores, memory, GPUs, videos and the user's limit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.gpu.shares import HOST_BYTES
from autrt.run.cluster.node import NodeFacts
from autrt.run.cluster.places import LARGE_PROCESS_BYTES, Node, places
from autrt.run.worker import PROCESS_BYTES
from autrt.settings import InferSettings
from tests.support.fakes_run import fake_job

GB = 1 << 30
LIGHT = replace(fake_job(Path("out")), settings=InferSettings(engine="onnxruntime"))
LARGE = replace(LIGHT, settings=InferSettings(engine="torch"))
ON_GPU = replace(LIGHT, settings=InferSettings(engine="tensorrt", device="cuda:0"))


def node(
    name: str = "a", cores: int = 8, gpus_gb: tuple[int, ...] = (), memory_bytes: float = math.inf
) -> Node:
    facts = NodeFacts(memory_bytes=memory_bytes, gpu_bytes=tuple(gb * GB for gb in gpus_gb))
    return Node(id=name, host=name, cores=cores, gpus=len(gpus_gb), facts=facts)


@pytest.mark.parametrize(
    ("job", "there", "videos", "most", "expected"),
    [
        (LIGHT, node(cores=8), 1000, None, [(1, 0.0)] * 8),
        (LIGHT, node(cores=8), 1000, 2, [(4, 0.0)] * 2),
        (LIGHT, node(cores=8), 3, None, [(2, 0.0)] * 3),
        (LIGHT, node(cores=8, memory_bytes=3.5 * PROCESS_BYTES), 1000, None, [(2, 0.0)] * 3),
        (LIGHT, node(cores=8, memory_bytes=1), 1000, None, [(8, 0.0)]),
        (LIGHT, node(cores=0), 1000, None, []),
        (LARGE, node(cores=8), 1000, None, [(2, 0.0)] * 4),
        (LARGE, node(cores=1), 1000, None, [(1, 0.0)]),
        (LARGE, node(cores=8, memory_bytes=2 * LARGE_PROCESS_BYTES), 1000, None, [(4, 0.0)] * 2),
        (ON_GPU, node(cores=16, gpus_gb=(140,)), 1000, None, [(2, 0.125)] * 8),
        (ON_GPU, node(cores=16, gpus_gb=(140, 140)), 1000, None, [(2, 0.25)] * 8),
        (ON_GPU, node(cores=64, gpus_gb=(12,)), 1000, None, [(32, 0.5)] * 2),
        (ON_GPU, node(cores=16, gpus_gb=(140, 140)), 2, None, [(8, 1.0)] * 2),
        (ON_GPU, node(cores=16, gpus_gb=(140,), memory_bytes=3 * HOST_BYTES), 1000, None, [(5, 0.3333)] * 3),
        (ON_GPU, node(cores=16), 1000, None, []),
    ],
)  # fmt: skip
def test_node_is_planned_like_one_machine(job, there, videos, most, expected):
    assert [(place.cores, place.gpus) for place in places([there], job, videos, most)] == expected


def test_few_videos_are_spread_over_the_nodes():
    found = places([node("a", 4), node("b", 4), node("head", 0)], LIGHT, 3)
    assert [(place.node.id, place.cores) for place in found] == [("a", 2), ("b", 4), ("a", 2)]


@given(
    cores=st.lists(st.integers(0, 70), max_size=5),
    gpus=st.lists(st.integers(0, 9), max_size=5),
    gpu_gb=st.integers(0, 200),
    memory_gb=st.floats(0.1, 500),
    videos=st.integers(1, 500),
    most=st.one_of(st.none(), st.integers(1, 100)),
    job=st.sampled_from([LIGHT, LARGE, ON_GPU]),
)
def test_no_node_gives_more_than_it_has(cores, gpus, gpu_gb, memory_gb, videos, most, job):
    nodes = [
        node(str(i), c, (gpu_gb,) * g, memory_gb * GB)
        for i, (c, g) in enumerate(zip(cores, gpus, strict=False))
    ]
    found = places(nodes, job, videos, most)
    assert len(found) <= videos
    for there in nodes:
        on_it = [place for place in found if place.node == there]
        assert sum(place.cores for place in on_it) <= there.cores
        per_gpu = -(-len(on_it) // there.gpus) if there.gpus else 0
        assert all(place.gpus * per_gpu <= 1 for place in on_it)
        assert all((place.gpus > 0) == (job is ON_GPU) for place in on_it)
        can = there.cores > 0 and (job is not ON_GPU or there.gpus > 0)
        assert bool(on_it) <= can
    if videos >= sum(there.cores for there in nodes):
        assert {place.node.id for place in found} == {
            there.id for there in nodes if there.cores > 0 and (job is not ON_GPU or there.gpus > 0)
        }
