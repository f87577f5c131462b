"""How processes share GPUs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.gpu.shares import CORES_EACH, DEVICE_BYTES, HOST_BYTES, MOST, processes_on, room, share_bytes

GB = 1 << 30


@pytest.mark.parametrize(
    ("gpus_gb", "cores", "host_gb", "most", "expected"),
    [
        ([140], 16, 500, None, [8]),
        ([140], 6, 500, None, [3]),
        ([140], 64, 500, None, [8]),
        ([140], 64, 10, None, [3]),
        ([24], 64, 500, None, [4]),
        ([24], 64, 500, 2, [2]),
        ([0], 64, 500, None, [8]),
        ([4], 1, 1, None, [1]),
        ([140, 140], 16, 500, None, [4, 4]),
        ([140, 8], 64, 500, None, [8, 1]),
    ],
)
def test_processes_follow_cores_and_both_memories(gpus_gb, cores, host_gb, most, expected):
    dealt = processes_on([gb * GB for gb in gpus_gb], cores, host_gb * GB, most)
    assert [dealt.count(gpu) for gpu in range(len(gpus_gb))] == expected


@given(
    st.lists(st.integers(1, 300 * GB), min_size=1, max_size=9),
    st.integers(1, 200),
    st.integers(GB, 2000 * GB),
    st.none() | st.integers(1, 100),
)
def test_nothing_is_given_twice(gpus, cores, host_bytes, most):
    dealt = processes_on(gpus, cores, host_bytes, most)
    assert set(dealt[: len(gpus)]) == set(range(len(gpus)))
    more = len(dealt) > len(gpus)
    assert not more or len(dealt) <= (most or cores // CORES_EACH)
    assert not more or len(dealt) * HOST_BYTES <= host_bytes
    for gpu, processes in Counter(dealt).items():
        assert processes <= min(room(gpus[gpu]), MOST)
        assert processes * share_bytes(gpus[gpu]) <= gpus[gpu]
        assert processes == 1 or share_bytes(gpus[gpu]) >= DEVICE_BYTES
