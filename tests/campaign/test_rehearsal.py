"""The campaigns rehearsed: a short seeded piece of each, so that the harness itself is known to work."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign import damaged, disk, kills
from tests.campaign.clips import write_clips
from tests.campaign.command import digests, faults_in
from tests.campaign.damage import draw_damage
from tests.campaign.disk import ERRORS, compile_shim, fault_environment
from tests.campaign.draw import draw_clip, stamps_of_packets
from tests.campaign.journal import Journal, table
from tests.support.fetched import fetched
from tests.support.results import results_file

pytestmark = pytest.mark.campaign

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def made(folder: Path, seed: str) -> tuple[str, bytes]:
    """Name of the damage and bytes of a drawn input."""
    folder.mkdir()
    random_ = random.Random(seed)
    clip = draw_clip(random_, folder, "a")
    return draw_damage(random_, clip.container, clip.path.read_bytes())


def test_inputs_follow_from_seed_and_number_alone(tmp_path):
    assert made(tmp_path / "a", "1/0") == made(tmp_path / "b", "1/0")
    kinds = {made(tmp_path / str(i), f"1/{i}")[0] for i in range(8)}
    assert len(kinds) >= 3


def test_truth_is_taken_from_the_packets(tmp_path):
    clip = draw_clip(random.Random("1/3"), tmp_path, "a")
    stamps = stamps_of_packets(clip.path)
    assert stamps[0] == 0
    assert stamps == sorted(stamps)
    assert abs(len(stamps) - clip.frames) <= 1


def test_journal_goes_on_after_a_torn_line(tmp_path):
    journal = Journal(tmp_path, "kills", 1)
    journal.add(0, faults=[])
    journal.add(1, faults=["x"])
    with journal.path.open("a") as file:
        file.write('{"case": 2, "fau')
    assert Journal(tmp_path, "kills", 1).next == 2
    assert Journal(tmp_path, "kills", 2).next == 0
    assert table([{"a": 1, "b": ""}]) == "| a | b |\n| --- | --- |\n| 1 |  |"


def event(status: str, reason: str = "") -> dict[str, str]:
    return {"status": status, "reason": reason}


@pytest.mark.parametrize(
    ("status", "reason", "ended", "fault"),
    [
        ("started", "", "hung", "hang"),
        ("started", "", -9, "no end"),
        ("failed", "internal error: ValueError: x (a.py:1)", 3, "crash"),
        ("failed", "crashes the process that does it (signal SIGSEGV)", 3, "crash"),
        ("failed", "no frame can be decoded", 3, "false loss"),
        ("partial", "lost 1 packet", 0, "false loss"),
    ],
)
def test_faults_of_a_whole_input_are_named(tmp_path, status, reason, ended, fault):
    clip = draw_clip(random.Random("1/3"), tmp_path, "a")
    found = damaged.judge(clip, clip.path, tmp_path / "out", "none", event(status, reason), ended)
    assert found["faults"][0].startswith(fault)


def test_faults_of_an_output_folder_are_named(tmp_path):
    for name in ("a.h5", "b.h5"):
        results_file(tmp_path / name, seed=ord(name[0]))
    reference = digests(tmp_path)
    assert faults_in(tmp_path, reference, all_of_them=True) == []
    (tmp_path / ".autrt-0123456789abcdef.part").touch()
    results_file(tmp_path / "a.h5", seed=9)
    (tmp_path / "b.h5").rename(tmp_path / "other")
    assert faults_in(tmp_path, reference, all_of_them=False) == ["a.h5 differs"]
    assert faults_in(tmp_path, reference, all_of_them=True) == [
        "a.h5 differs", "b.h5 is missing", ".autrt-0123456789abcdef.part was left behind",
    ]  # fmt: skip
    (tmp_path / "a.h5").write_bytes(b"half")
    assert faults_in(tmp_path, reference, all_of_them=False)[0].startswith("a.h5: ")


WRITER = """
import os, sys
with open(sys.argv[1] + "/a", "wb", buffering=0) as file:
    for i in range(5):
        try:
            file.write(b"x")
            print("ok")
        except OSError as error:
            print(error.errno)
"""


@needs_compiler
@pytest.mark.parametrize(
    ("once", "expected"), [(False, ["ok", 28, 28, 28, 28]), (True, ["ok", 28, "ok", "ok", "ok"])]
)
def test_shim_lets_changes_fail_in_one_folder(tmp_path, once, expected):
    (tmp_path / "out").mkdir()
    shim = compile_shim(tmp_path)
    for folder, says in ((tmp_path / "out", expected), (tmp_path, ["ok"] * 5)):
        environment = fault_environment(
            shim, tmp_path / "out", 2, ERRORS["full"], once=once, log=tmp_path / "hits"
        )
        done = subprocess.run(
            [sys.executable, "-c", WRITER, folder],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [str(word) for word in says]
    assert (tmp_path / "hits").read_text().startswith("write ")


@pytest.mark.slow
@needs_compiler
def test_campaigns_find_nothing_in_a_few_cases(tmp_path):
    fetched("centerface")
    videos = write_clips(tmp_path / "videos", 8)
    killed = Journal(tmp_path, "kills", 7)
    kills.KillCampaign(videos=videos, scratch=tmp_path, journal=killed, seed=7).run(float("inf"), 2)
    filled = Journal(tmp_path, "disk", 7)
    disk.DiskCampaign(videos=videos, scratch=tmp_path, journal=filled, seed=7).run(float("inf"), 2)
    hurt = Journal(tmp_path, "damage", 7)
    damaged.DamageCampaign(scratch=tmp_path, journal=hurt, seed=7).run(float("inf"), 12)
    for journal, summary in ((killed, kills.summary), (filled, disk.summary), (hurt, damaged.summary)):
        assert journal.next in (2, 12)
        assert table(summary(journal.cases)).count("\n") >= 2
    assert [case["faults"] for case in (*killed.cases, *filled.cases)] == [[]] * 4
    assert json.loads(hurt.path.read_text().splitlines()[0])["case"] == 0
