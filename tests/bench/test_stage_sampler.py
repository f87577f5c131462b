"""Processor time and waits by stage, of a process that spends both in known places."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from autrt_bench.measure.command import run_command

SCRIPT = """
import json, pathlib, time
from autrt.results.source_hash import sha256
from autrt_bench.measure.stage_sampler import StageSampler

sampler = StageSampler()
sampler.start()
while sampler.cpu_s["hash of the source"] < 0.3:
    sha256(pathlib.Path({file!r}))
time.sleep(0.3)
sampler.stop()
print(json.dumps([sampler.cpu_s, sampler.idle_s]))
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's /proc/PID/schedstat")
def test_sampler_tells_the_stages_that_compute_from_waits(tmp_path):
    file = tmp_path / "video"
    file.write_bytes(bytes(4 << 20))
    cost = run_command([sys.executable, "-c", SCRIPT.format(file=str(file))])
    cpu_s, idle_s = json.loads(cost.lines[-1][1])
    assert cpu_s["hash of the source"] >= 0.3
    assert cpu_s.get("network", 0.0) < 0.1
    assert sum(cpu_s.values()) <= cost.cpu_s
    assert idle_s["others"] >= 0.2
