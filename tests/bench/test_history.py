"""Benchmarks over time: what is kept, how a run is named, and what a comparison says and exits with."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from autrt.errors import UsageError
from autrt_bench.reporting.history import append, find_run, read
from autrt_bench.reporting.page import write_page
from autrt_bench.types import BenchRun, Measurement, Metric, Skipped
from tests.support.command import autrt

SPEED = Metric(name="speed", unit="frames/s", better="higher")
MACHINE = {"cpu": "Abacus 9", "cores": 2, "features": ["avx2"], "memory_gb": 8, "gpu": []}


def run(
    commit: str = "aaaaaaaaaaaa", values=(100.0, 101.0, 99.0, 100.5), number: int = 0, **machine
) -> BenchRun:
    return BenchRun(
        name=f"20260131T12000{number}Z-{commit}",
        started_utc="2026-01-31T12:00:00+00:00",
        fingerprint=MACHINE | {"commit": commit} | machine,
        settings={"suites": ["pipeline"], "model": "student", "clips": [], "quick": True, "repeats": 4},
        measurements=(
            Measurement(suite="pipeline", case="whole <640×360>", metric=SPEED, values=tuple(values)),
        ),
        skipped=(Skipped("dali", "not here"),),
    )


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "bench/history.jsonl"


def test_history_returns_runs_and_skips_torn_lines(history):
    append(history, run())
    with history.open("a") as stream:
        stream.write('{"schema": "autrt-bench/1", "name": "torn')
    append(history, run("bbbbbbbbbbbb"))
    assert read(history) == [run(), run("bbbbbbbbbbbb")]


def test_runs_of_one_commit_are_one_and_clean_files_win(history):
    for one in (
        run(values=[1.0, 2.0]),
        run(values=[3.0], number=1),
        run("aaaaaaaaaaaa+", number=2),
        run("bbbbbbbbbbbb"),
    ):
        append(history, one)
    for which in ("aaaa", 40 * "a"):
        assert find_run(which, history).measurements[0].values == (1, 2, 3)
    assert find_run("aaaaaaaaaaaa+", history).commit == "aaaaaaaaaaaa+"
    assert find_run("20260131T120001Z", history).measurements[0].values == (3,)
    assert find_run(str(history), history).commit == "bbbbbbbbbbbb"


def test_find_run_lists_known_runs_if_none_matches(history):
    with pytest.raises(UsageError, match=re.escape(str(history))):
        find_run("aaaa", history)
    append(history, run())
    append(history, run("abababababab"))
    with pytest.raises(UsageError, match="20260131T120000Z-abababababab"):
        find_run("cccc", history)
    with pytest.raises(UsageError, match="begins several"):
        find_run("a", history)


@pytest.mark.parametrize(
    ("values", "limit", "code", "said"),
    [
        ([80.0, 81.0, 79.0, 80.5], "10", 1, "slower"),
        ([80.0, 81.0, 79.0, 80.5], "30", 0, "slower"),
        ([100.2, 99.0, 101.0, 100.0], "0", 0, "1 unchanged"),
        ([120.0, 121.0, 119.0, 120.0], "0", 0, "faster"),
        ([80.0], "10", 2, "too few repeats"),
    ],
)
def test_compare_exits_with_1_only_if_something_is_surely_worse(history, values, limit, code, said):
    append(history, run())
    append(history, run("bbbbbbbbbbbb", values))
    done = autrt("bench", "compare", "aaaa", "bbbb", "--history", history, "--fail-on-slower", limit)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said in done.stdout


def test_compare_warns_of_other_machines_and_settings(history, tmp_path):
    other = run(cpu="Abacus 10")
    append(history, run())
    append(tmp_path / "other.jsonl", replace(other, settings={**other.settings, "quick": False}))
    done = autrt("bench", "compare", history, tmp_path / "other.jsonl")
    assert done.returncode == 0
    assert "not the same machine (cpu)" in done.stdout
    assert "not measured in the same way" in done.stdout


def test_page_is_self_contained_and_escapes_names(tmp_path):
    plot = tmp_path / "plot.png"
    plot.write_bytes(b"\x89PNG picture")
    write_page(tmp_path / "page.html", run(), [plot], None, [])
    plot.unlink()
    text = (tmp_path / "page.html").read_text()
    assert "data:image/png;base64,iVBORyBwaWN0dXJl" in text
    assert set(re.findall(r"""(?:src|href)\s*=\s*['"]([a-z]+):""", text)) == {"data"}
    assert "whole &lt;640×360&gt;" in text
    assert "not here" in text
    assert json.dumps(MACHINE["features"][0]).strip('"') in text
