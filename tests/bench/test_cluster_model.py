"""The simulation of a run on a cluster: by hand, and within the bounds that any such run keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt_bench.measure.cluster_model import Costs, made_up_lengths, simulate

FREE = Costs(core_s=2, video_core_s=1, start_s=5, driver_s=0, bytes_per_s=0, server_bytes_per_s=1)


@pytest.mark.parametrize(
    ("costs", "lengths", "nodes", "cores", "wall_s", "limit"),
    [
        (FREE, [3, 1, 2], 1, 1, 5 + 7 + 5 + 3, "cores"),
        (FREE, [3, 1, 2], 1, 2, 5 + 8, "longest video"),
        (FREE, [3, 1, 2], 5, 2, 5 + 7, "longest video"),
        (replace(FREE, driver_s=10), [1, 1, 1], 3, 1, 5 + 30 + 3, "driver"),
        (replace(FREE, bytes_per_s=100, server_bytes_per_s=1), [1, 1], 2, 1, 5 + 200, "files"),
    ],
)  # fmt: skip
def test_small_runs_take_what_they_take_by_hand(costs, lengths, nodes, cores, wall_s, limit):
    done = simulate(lengths, nodes, cores, costs)
    assert done.wall_s == pytest.approx(wall_s)
    assert done.limit == limit


positive = st.floats(0.001, 100)


@given(
    lengths=st.lists(positive, min_size=1, max_size=60),
    nodes=st.integers(1, 8),
    cores=st.integers(1, 8),
    costs=st.builds(
        Costs,
        core_s=positive,
        video_core_s=positive,
        start_s=positive,
        driver_s=st.floats(0, 10),
        bytes_per_s=st.floats(0, 1000),
        server_bytes_per_s=positive,
    ),
)
def test_no_resource_is_busier_than_all_the_time(lengths, nodes, cores, costs):
    done = simulate(lengths, nodes, cores, costs)
    assert all(share <= 1 + 1e-9 for share in done.busy.values())
    alone = simulate(lengths, nodes, cores, replace(costs, driver_s=0, bytes_per_s=0))
    work = [costs.video_core_s + costs.core_s * length for length in lengths]
    # Graham's bound for any list order.
    assert alone.wall_s <= (costs.start_s + sum(work) / (nodes * cores) + max(work)) * (1 + 1e-9)
    assert done.wall_s >= alone.wall_s * (1 - 1e-9)


def test_made_up_lengths_have_the_median_that_is_asked_for():
    lengths = sorted(made_up_lengths(10_001, median_s=60, spread=1))
    assert lengths[5000] == pytest.approx(60, rel=0.05)
    assert lengths == sorted(made_up_lengths(10_001, median_s=60, spread=1))
