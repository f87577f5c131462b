"""`autrt export --update`: a table stays that is newer than its results and made alike, and these stay closed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from autrt.cli.export import command as export
from autrt.results.find import is_newer
from tests.support.command import autrt
from tests.support.results import results_file, source


def age(path: Path, seconds: float) -> None:
    """Set the time of the last change back, or forth."""
    at_ns = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(at_ns, at_ns))


def test_is_newer_compares_a_table_with_its_results(tmp_path):
    a, b, table = tmp_path / "a", tmp_path / "b", tmp_path / "table"
    a.write_bytes(b"a")
    b.write_bytes(b"b")
    assert not is_newer(table, [a])
    table.write_bytes(b"t")
    age(table, -1)
    assert is_newer(table, [a, b])
    age(table, 9)
    assert not is_newer(table, [a, b])
    age(table, -1)
    age(a, -2)
    assert not is_newer(table, [a, b])
    a.unlink()
    assert not is_newer(table, [a, b])


def test_update_takes_a_restored_backup_for_changed(tmp_path):
    backup, results, table = tmp_path / "backup", tmp_path / "results", tmp_path / "table"
    backup.write_bytes(b"b")
    age(backup, 1000)
    table.write_bytes(b"t")
    age(table, 10)
    shutil.copy2(backup, results)  # its time of change is the backup's
    assert not is_newer(table, [results])


def test_update_writes_only_what_changed(tmp_path):
    for name in "ab":
        results_file(tmp_path / f"{name}.mp4.h5", [1])
    assert autrt("export", tmp_path, "--update").stdout.startswith("2 of 2 files written")
    tables = sorted(tmp_path.glob("*.csv"))
    (tmp_path / "a.mp4.h5").write_bytes(b"not even opened")
    for table in tables:
        age(table, -60)
    assert "0 of 0 files written as csv; 2 up to date" in autrt("export", tmp_path, "--update").stdout
    results_file(tmp_path / "a.mp4.h5", [1, 1])
    age(tmp_path / "a.mp4.h5", -90)
    assert "1 of 1 files written as csv; 1 up to date" in autrt("export", tmp_path, "--update").stdout
    assert [t.read_text().count("\n") for t in tables] == [3, 2]


@pytest.mark.parametrize("fmt", ["csv", "openface", "parquet"])
def test_update_writes_tables_made_with_other_options(tmp_path, fmt):
    results_file(tmp_path / "a.mp4.h5", [1, 0])
    changes = [["--faces-only"], [], *([["--columns", "active"]] if fmt != "openface" else [])]
    for options in changes:
        arguments = [str(tmp_path), "--format", fmt, "--update", *options]
        assert "1 of 1 files written" in CliRunner().invoke(export, arguments).stdout
        assert "1 up to date" in CliRunner().invoke(export, arguments).stdout


def test_update_writes_a_table_without_what_it_was_made_of(tmp_path):
    for name in "ab":
        results_file(tmp_path / f"{name}.mp4.h5", [1], source=source(f"{name}.mp4"))
    arguments = [str(tmp_path), "--out", str(tmp_path / "all.csv"), "--update"]
    assert "2 of 2 files written" in CliRunner().invoke(export, arguments).stdout
    (tmp_path / "b.mp4.h5").unlink()
    assert "1 of 1 files written" in CliRunner().invoke(export, arguments).stdout
    (tmp_path / "all.csv-metadata.json").write_text("{")
    assert "1 of 1 files written" in CliRunner().invoke(export, arguments).stdout


@pytest.mark.parametrize("fmt", ["abaw-2022", "abaw-2024"])
def test_update_is_refused_for_a_challenge(tmp_path, fmt):
    results_file(tmp_path / "a.mp4.h5", [1])
    done = autrt("export", tmp_path, "--format", fmt, "--out", tmp_path / "s", "--update")
    assert (done.returncode, "--update is for tables" in done.stderr) == (2, True)
