"""Cores by affinity and cgroup, memory limits, and features of the CPU."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from autrt.machine import (
    available_cores,
    cgroup_quota,
    cpu_features,
    has_bf16,
    instruction_set,
    memory_limit,
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, math.inf),
        ({"proc/self/cgroup": "0::/\n"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
                "sys/fs/cgroup/job/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/cpu.max": "800000 100000\n",
            },
            3,
        ),
        # In a container the path is the host's, and the container's own group is mounted as the root.
        ({"proc/self/cgroup": "0::/../../docker/abc\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": "5:memory:/job\n4:cpu,cpuacct:/job\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "what is this"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0"}, math.inf),
    ],
)
def test_smallest_quota_counts(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    assert cgroup_quota(tree(tmp_path, files)) == cores


@pytest.mark.parametrize(("quota", "cores"), [("1000", 1), ("100000", 1), ("100001", 2)])
def test_quota_is_rounded_up_to_a_core(tmp_path: Path, quota: str, cores: int) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota} 100000"})
    assert available_cores(root) == min(cores, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, math.inf),
        ({"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    2000 kB\n"}, 2000 * 1024),
        ({"proc/meminfo": "MemAvailable:\n", "proc/self/cgroup": "0::/\n"}, math.inf),
        (
            {
                "proc/meminfo": "MemAvailable: 2000 kB\n",
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/step/memory.max": "max\n",
                "sys/fs/cgroup/job/memory.max": "1000000\n",
            },
            1_000_000,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/job\n5:memory:/job\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "500000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/cpu/job/memory.limit_in_bytes": "1\n",
            },
            500_000,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "what is this"}, math.inf),
    ],
)
def test_smallest_memory_limit_counts(tmp_path: Path, files: dict[str, str], limit: float) -> None:
    assert memory_limit(tree(tmp_path, files)) == limit


def test_affinity_counts(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert available_cores(tmp_path) == len(before)


def test_features_come_from_cpuinfo(tmp_path: Path) -> None:
    (tmp_path / "x86").write_text("processor : 0\nflags\t\t: fpu avx2 avx512f amx_bf16\nbugs : avx512_bf16\n")
    (tmp_path / "arm").write_text("Features\t: fp asimd bf16 i8mm\n")
    assert cpu_features(tmp_path / "x86") == ("avx2", "avx512f", "amx_bf16")
    assert cpu_features(tmp_path / "arm") == ("asimd", "bf16", "i8mm")
    assert cpu_features(tmp_path / "missing") == ()


def test_instruction_set_is_a_file_name() -> None:
    word = instruction_set()
    assert word
    assert "/" not in word
    assert len(word) < 150
    assert has_bf16() == ("bf16" in word)
