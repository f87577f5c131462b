"""The examples for Slurm and Kubernetes, rendered and run by a fake scheduler on small inputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from autrt.run.status import StatusReader
from tests.support.command import assert_equal_results
from tests.support.command import autrt as command

pytest_plugins = ("tests.support.crop_archive",)
EXAMPLES = Path(__file__).parents[2] / "examples"
SHARDS = 2
VIDEOS = {"long": 12, "a": 4, "b": 4, "c": 3}


@pytest.fixture
def out(archive, tmp_path) -> Path:
    """A folder with the plan, and programs that stand in for `autrt` and `srun`."""
    out, programs = tmp_path / "results", tmp_path / "bin"
    out.mkdir()
    programs.mkdir()
    plan = ("plan", archive, "--shards", SHARDS, "--out", out / "plan.parquet")
    assert command(*plan).returncode == 0
    for name, text in {
        "autrt": f'exec {sys.executable} -m autrt "$@"',
        "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    return out


def run(words: Sequence[str | Path], out: Path, environment: Mapping[str, str]) -> None:
    path = f"{out.parent / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        list(map(str, words)), env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def assert_done(out: Path, plain: Path) -> None:
    assert_equal_results(out, plain)
    status = StatusReader(out).read()
    assert (status.ok, status.left) == (len(VIDEOS), 0)
    assert len(list(out.glob("manifest.*-of-2.jsonl"))) == SHARDS


def test_slurm_job_array_does_the_archive(out, plain):
    script = EXAMPLES / "slurm" / "infer.sbatch"
    directives = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", script.read_text(), re.MULTILINE))
    first, _ = map(int, directives["array"].split("-"))
    for task in range(first, first + SHARDS):
        environment = {
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": str(first),
            "SLURM_ARRAY_TASK_COUNT": str(SHARDS),
            "SLURM_CPUS_PER_TASK": directives["cpus-per-task"],
        }
        run(["bash", script, out / "plan.parquet", out, "--aligned"], out, environment)
    assert_done(out, plain)


def test_kubernetes_job_does_the_archive(out, plain):
    job = yaml.safe_load((EXAMPLES / "kubernetes" / "indexed-job.yaml").read_text())
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert spec["completionMode"] == "Indexed"
    assert environment["JOB_COMPLETIONS"] == str(spec["completions"])
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    environment["JOB_COMPLETIONS"] = str(SHARDS)
    words = [word.replace("/results", str(out)) for word in (*container["command"], *container["args"])]
    for index in range(SHARDS):
        run([*words, "--aligned"], out, environment | {"JOB_COMPLETION_INDEX": str(index)})
    assert_done(out, plain)
