"""Shares by duration, and the shard of a task of a scheduler."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.cli import group
from autrt.errors import UsageError
from autrt.run.shard import Shard
from autrt.run.shard_plan import VIDEO_COST_S, read_plan, share_out, write_plan
from autrt.types import Source
from tests.support.media import Clip

LENGTHS = st.lists(st.none() | st.floats(0, 1e5), min_size=1, max_size=60)


def sources(n: int) -> list[Source]:
    return [Source(Path(f"/in/{i}.mp4"), f"{i}.mp4", "video") for i in range(n)]


@given(lengths=LENGTHS, shards=st.integers(1, 9))
def test_every_video_is_in_one_shard_and_none_has_much_more_work(lengths, shards):
    planned = share_out(sources(len(lengths)), lengths, shards)
    assert sorted(v.source.relative for v in planned) == sorted(s.relative for s in sources(len(lengths)))
    assert {v.shard for v in planned} <= set(range(1, shards + 1))
    known = [length for length in lengths if length is not None]
    if len(known) == len(lengths):
        loads = [
            sum(VIDEO_COST_S + (v.length_s or 0) for v in planned if v.shard == i + 1) for i in range(shards)
        ]
        assert max(loads) - min(loads) <= (VIDEO_COST_S + max(known)) * (1 + 1e-9)
    for shard in range(1, shards + 1):
        own = [v.length_s for v in planned if v.shard == shard and v.length_s is not None]
        assert own == pytest.approx(sorted(own, reverse=True), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(lengths=LENGTHS, shards=st.integers(1, 5))
def test_a_plan_comes_back(tmp_path_factory, lengths, shards):
    path = tmp_path_factory.mktemp("plan") / "plan.parquet"
    planned = share_out(sources(len(lengths)), lengths, shards)
    write_plan(path, planned, shards)
    assert read_plan(path, None) == [v.source for v in planned]
    each = [read_plan(path, Shard(i + 1, shards)) for i in range(shards)]
    assert [s for some in each for s in some] == [v.source for v in planned]


def test_names_that_are_no_unicode_come_back(tmp_path):
    name = os.fsdecode(b"\xff\\\n.mp4")
    odd = Source(tmp_path / name, name, "video")
    write_plan(tmp_path / "p", share_out([odd], [1.0], 1), 1)
    assert read_plan(tmp_path / "p", Shard(1, 1)) == [odd]


def test_what_is_no_plan_is_refused(tmp_path):
    path = tmp_path / "plan.parquet"
    write_plan(path, share_out(sources(3), [1.0] * 3, 2), 2)
    with pytest.raises(UsageError, match=r"has 2 shards: expected shard I/2, found 1/3"):
        read_plan(path, Shard(1, 3))
    path.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="is no plan"):
        read_plan(path, None)
    with pytest.raises(UsageError, match="is no plan"):
        read_plan(tmp_path / "none", None)


def test_plan_command_reads_durations(tmp_path):
    (tmp_path / "in").mkdir()
    for name, frames in (("long", 100), ("a", 10), ("b", 10)):
        Clip(frames=frames).write(tmp_path / "in" / f"{name}.mp4")
    (tmp_path / "in" / "broken.mp4").write_bytes(b"nothing")
    arguments = ["plan", str(tmp_path / "in"), "--shards", "2", "--out", str(tmp_path / "plan.parquet")]
    done = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert done.output.startswith("4 videos, ")
    assert done.output.splitlines()[-1] == "1 video states no duration, or cannot be read"
    first = [s.relative for s in read_plan(tmp_path / "plan.parquet", Shard(1, 2))]
    assert first == ["long.mp4"]


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "64", "SLURM_ARRAY_TASK_MIN": "1"}, (1, 64)),
        (
            {"SLURM_ARRAY_TASK_ID": "63", "SLURM_ARRAY_TASK_COUNT": "64", "SLURM_ARRAY_TASK_MIN": "0"},
            (64, 64),
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "9",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "3",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            (4, 4),
        ),
        ({"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "3"}, (1, 3)),
        ({"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "3"}, (3, 3)),
        ({"JOB_COMPLETION_INDEX": "2"}, None),
        ({"SLURM_ARRAY_TASK_ID": "17", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}, None),
        ({}, None),
    ],
)
def test_auto_is_the_shard_of_the_task(monkeypatch, environment, shard):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "JOB_COMPLETION")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if shard is None:
        with pytest.raises(UsageError, match="shard: "):
            Shard.parse("auto")
    else:
        assert Shard.parse("auto") == shard
