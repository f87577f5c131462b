"""Tables made of results, and the commands that make and check them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from autrt.cli.export import command as export
from autrt.cli.verify import command as verify
from autrt.errors import MissingDependencyError, UsageError
from autrt.results.export import export_csv
from autrt.results.parquet import export_parquet
from autrt.results.reader import open_results
from autrt.results.writer import ResultsWriter
from tests.support.results import header, results_file, video

COUNTS = [1, 0, 2, 1, 0]


@pytest.fixture
def path(tmp_path) -> Path:
    return results_file(tmp_path / "out" / "a" / "b.mp4.h5", COUNTS)


def test_csv_has_openfaces_columns_and_a_row_for_every_frame(path, tmp_path):
    target = tmp_path / "b.csv"
    with open_results(path) as results:
        export_csv(results, target)
        time_s, faces = results.frames["time_s"], {n: results.faces[n] for n in results.faces.columns}
    with target.open(newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == [
        "frame", "face_id", "timestamp", "confidence", "success",
        "AU01_p", "AU02_p", "AU12_p", "AU01_c", "AU02_c", "AU12_c",
    ]  # fmt: skip
    assert [int(r[0]) for r in rows] == [1, 2, 3, 3, 4, 5]
    assert [int(r[1]) for r in rows] == [0, -1, 0, 1, 0, -1]
    assert [int(r[4]) for r in rows] == [1, 0, 1, 1, 1, 0]
    seen = [r for r in rows if r[4] == "1"]
    for i, row in enumerate(seen):
        assert float(row[2]) == pytest.approx(time_s[faces["frame"][i]], abs=1e-6)
        assert float(row[3]) == pytest.approx(faces["score"][i], abs=1e-4)
        np.testing.assert_allclose(np.array(row[5:8], float), faces["smoothed"][i], atol=1e-6)
        assert [c == "1" for c in row[8:]] == faces["active"][i].tolist()
    assert all(float(cell) == 0 for row in rows if row[4] == "0" for cell in row[3:])
    assert " " not in target.read_text()


def test_csv_reads_back_with_pandas(path, tmp_path):
    with open_results(path) as results:
        export_csv(results, tmp_path / "b.csv")
        smoothed = results.faces["smoothed"]
    table = pd.read_csv(tmp_path / "b.csv")
    assert table["frame"].dtype.kind == table["AU12_c"].dtype.kind == "i"
    found = table.loc[table["success"] == 1, ["AU01_p", "AU02_p", "AU12_p"]]
    np.testing.assert_allclose(found.to_numpy(), smoothed, atol=1e-6)


def test_csv_of_a_long_film_and_of_image_numbers(tmp_path):
    made = video([1, 0, 0] * 3000)
    made.block.index[:] = np.arange(9000) * 2 + 10
    with ResultsWriter(tmp_path / "a.h5", header()) as writer:
        made.write(writer)
        writer.finish()
    with open_results(tmp_path / "a.h5") as results:
        export_csv(results, tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(table["frame"], made.block.index + 1)
    np.testing.assert_allclose(table["timestamp"], made.block.time_s, atol=1e-6)
    np.testing.assert_array_equal(table["success"], np.arange(9000) % 3 == 0)


def test_names_that_no_csv_header_can_hold(tmp_path):
    path = results_file(tmp_path / "a.h5", [1], au_names=("AU1", "AU26", 'odd, "name"'))
    with open_results(path) as results:
        export_csv(results, tmp_path / "a.csv")
    head = next(csv.reader((tmp_path / "a.csv").open(newline="")))
    assert head[5:8] == ["AU01_p", "AU26_p", "odd___name__p"]


@pytest.mark.parametrize("counts", [[], [0, 0], [1, 2] * 20])
def test_dataframe_and_parquet_agree_with_the_file(tmp_path, counts):
    path = results_file(tmp_path / "a.h5", counts)
    with open_results(path) as results:
        table = results.to_dataframe()
        export_parquet(results, tmp_path / "a.parquet")
        back = pd.read_parquet(tmp_path / "a.parquet")
        pd.testing.assert_frame_equal(back, table)
        assert list(table.columns[:7]) == ["frame", "time_s", "track", "box_x0", "box_y0", "box_x1", "box_y1"]
        np.testing.assert_array_equal(table["time_s"], results.frames["time_s"][results.faces["frame"]])
        np.testing.assert_array_equal(table["nose_y"], results.faces["landmarks"][:, 2, 1])
        np.testing.assert_array_equal(table["AU12_active"], results.faces["active"][:, 2])
        assert table["AU1_logit"].dtype == np.float32
        assert table["AU1_active"].dtype == np.bool_
        members = results.to_dataframe(["member_logit", "score"])
        np.testing.assert_array_equal(members["b_AU2_member_logit"], results.faces["member_logit"][:, 1, 1])
        assert list(members.columns[-2:]) == ["b_AU12_member_logit", "score"]


def test_parquet_goes_row_group_by_row_group_and_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("autrt.results.parquet.ROW_GROUP_ROWS", 100)
    path = results_file(tmp_path / "a.h5", [1, 2] * 83)
    with open_results(path) as results:
        export_parquet(results, tmp_path / "a.parquet")
        file = pq.ParquetFile(tmp_path / "a.parquet")
        assert [file.metadata.row_group(i).num_rows for i in range(3)] == [100, 100, 49]
        about = json.loads(file.schema_arrow.metadata[b"autrt"])
        assert about["au_names"] == list(results.au_names)
        assert about["source_path"] == "a/b.mp4"
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), results.to_dataframe())


def test_without_pandas_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.delitem(sys.modules, "autrt.results.dataframe", raising=False)
    with open_results(path) as results, pytest.raises(MissingDependencyError, match=r"autrt\[tables\]"):
        results.to_dataframe()


def test_without_pyarrow_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "autrt.results.parquet", raising=False)
    outcome = CliRunner().invoke(export, [str(path), "--format", "parquet"])
    assert isinstance(outcome.exception, MissingDependencyError)
    assert "autrt[tables]" in str(outcome.exception)


def test_reading_loads_no_table_library():
    code = "import sys, autrt.results.reader, autrt.results.writer, autrt.results.export; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "pyarrow", "torch", "openvino"} & set(loaded)


def test_export_command_writes_beside_and_below(path, tmp_path):
    wild = results_file(tmp_path / "out" / os.fsdecode(b"w\xff\n.mp4.h5"), [1])
    outcome = CliRunner().invoke(export, [str(tmp_path / "out")])
    assert (outcome.exit_code, outcome.output) == (0, "2 of 2 files written as csv\n")
    assert path.with_suffix(".csv").exists()
    assert wild.with_suffix(".csv").exists()
    outcome = CliRunner().invoke(
        export, [str(tmp_path / "out"), "--format", "parquet", "--out", str(tmp_path / "tables")]
    )
    assert outcome.exit_code == 0
    assert len(pd.read_parquet(tmp_path / "tables" / "a" / "b.mp4.parquet")) == sum(COUNTS)


def test_export_of_a_name_that_has_no_room_for_its_ending(tmp_path):
    path = results_file(tmp_path / ("x" * 252 + ".h5"), [1])
    outcome = CliRunner().invoke(export, [str(path), "--format", "parquet"])
    assert outcome.exit_code == 0
    assert len([p for p in tmp_path.iterdir() if p.suffix == ".parquet"]) == 1


def test_export_command_with_a_bad_file_does_the_others(path, tmp_path):
    bad = tmp_path / "out" / "bad\n.h5"
    bad.write_bytes(b"no")
    outcome = CliRunner().invoke(export, [str(tmp_path / "out")])
    assert outcome.exit_code == 3
    assert "bad\\x0a.h5: no whole HDF5 file" in outcome.output
    assert outcome.output.endswith("1 of 2 files written as csv\n")
    assert path.with_suffix(".csv").exists()
    assert not bad.with_suffix(".csv").exists()


def test_two_inputs_for_one_output_are_refused(tmp_path):
    paths = [str(results_file(tmp_path / folder / "a.h5", [1])) for folder in ("x", "y")]
    outcome = CliRunner().invoke(export, [*paths, "--out", str(tmp_path / "tables")])
    assert isinstance(outcome.exception, UsageError)
    assert "would both become" in str(outcome.exception)
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize("run", [verify, export])
def test_nothing_to_do_is_a_usage_error(run, tmp_path):
    for argument in (tmp_path, tmp_path / "none"):
        outcome = CliRunner().invoke(run, [str(argument)])
        assert isinstance(outcome.exception, UsageError)
        assert outcome.exception.exit_code == 2
    assert CliRunner().invoke(run, []).exit_code == 2


def test_verify_command(path, tmp_path):
    outcome = CliRunner().invoke(verify, [str(tmp_path / "out"), str(path)])
    assert (outcome.exit_code, outcome.output) == (0, "2 files checked: 2 sound, 0 bad\n")
    bad = path.with_name("bad\n.h5")
    bad.write_bytes(path.read_bytes()[:-1])
    outcome = CliRunner().invoke(verify, [str(tmp_path / "out")])
    assert outcome.exit_code == 3
    lines = outcome.output.splitlines()
    assert len(lines) == 2
    assert "bad\\x0a.h5: no whole HDF5 file" in lines[0]
    assert lines[1] == "2 files checked: 1 sound, 1 bad"
