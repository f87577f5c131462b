"""Tables made of results: one naming in all forms, one file or many, and the commands that make and check them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.cli.export import command as export
from autrt.cli.summary import command as summary
from autrt.cli.verify import command as verify
from autrt.errors import MissingDependencyError, UsageError
from autrt.results.reader import open_results
from autrt.results.tables.export import export_table
from autrt.results.tables.openface import OPENFACE_COLUMNS
from autrt.results.writer import ResultsWriter
from autrt.storage.escape import escape
from tests.support.results import header, names_in, results_file, source, video

COUNTS = [1, 0, 2, 1, 0]
KEYS = ["video", "frame", "time_s", "track"]


@pytest.fixture
def path(tmp_path) -> Path:
    return results_file(tmp_path / "out" / "a" / "b.mp4.h5", COUNTS)


def of(folder: Path, name: str, counts=COUNTS, seed: int = 0, **changes) -> Path:
    return results_file(folder / f"{name}.h5", counts, seed, source=source(name), **changes)


def run(*arguments) -> tuple[int, str]:
    outcome = CliRunner().invoke(export, [str(a) for a in arguments])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.output


def records(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file; as strict as R: the same count of fields on every line."""
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file, strict=True))
    assert {len(row) for row in rows} <= {len(head)}
    assert len(set(head)) == len(head)
    return head, rows


# One naming


def test_csv_has_rows_for_faces_and_empty_frames(path, tmp_path):
    target = tmp_path / "b.csv"
    export_table("csv", target, [path])
    with open_results(path) as results:
        time_s, faces = results.frames["time_s"], {n: results.faces[n] for n in results.faces.columns}
    head, rows = records(target)
    names = [f"{au}_{kind}" for kind in ("smoothed", "active") for au in ("AU1", "AU2", "AU12")]
    assert head == [*KEYS, "score", "box_x0", "box_y0", "box_x1", "box_y1", *names]
    assert {r[0] for r in rows} == {"a/b.mp4"}
    assert [r[1] for r in rows] == ["0", "1", "2", "2", "3", "4"]
    assert [r[3] for r in rows] == ["0", "", "0", "1", "0", ""]
    assert [r[4:] for r in rows if not r[3]] == [[""] * 11] * 2, "no face: no values, and above all no zeros"
    seen = [r for r in rows if r[3]]
    for i, row in enumerate(seen):
        assert float(row[2]) == pytest.approx(time_s[faces["frame"][i]], abs=1e-6)
        assert float(row[4]) == pytest.approx(faces["score"][i], abs=1e-6)
        np.testing.assert_allclose(np.array(row[5:9], float), faces["box"][i], atol=0.0051)
        np.testing.assert_allclose(np.array(row[9:12], float), faces["smoothed"][i], atol=1e-6)
        assert [c == "1" for c in row[12:]] == faces["active"][i].tolist()
    assert " " not in target.read_text()


@pytest.mark.parametrize("faces_only", [False, True])
@pytest.mark.parametrize("counts", [[], [0, 0], [1, 2] * 20, [2, 0, 1]])
def test_dataframe_parquet_and_csv_are_the_same_table(tmp_path, counts, faces_only):
    path = results_file(tmp_path / "a.h5", counts)
    export_table("parquet", tmp_path / "a.parquet", [path], faces_only=faces_only)
    export_table(
        "csv", tmp_path / "a.csv", [path], ["score", "smoothed", "active", "source"], faces_only=faces_only
    )
    with open_results(path) as results:
        table = results.to_dataframe(faces_only=faces_only)
        frame = results.faces["frame"]
        box, landmarks, active = (results.faces[name] for name in ("box", "landmarks", "active"))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), table)
    assert list(table.columns[:8]) == [*KEYS, "box_x0", "box_y0", "box_x1", "box_y1"]
    assert len(table) == (sum(counts) if faces_only else sum(max(n, 1) for n in counts))
    seen = table[table["track"].notna()]
    np.testing.assert_array_equal(seen["frame"], frame)
    np.testing.assert_array_equal(seen["box_y1"], box[:, 3])
    np.testing.assert_array_equal(seen["nose_y"], landmarks[:, 2, 1])
    np.testing.assert_array_equal(seen["AU12_active"].astype(bool), active[:, 2])
    assert table.drop(columns=KEYS[:3])[table["track"].isna()].isna().to_numpy().all()
    assert table["AU1_logit"].dtype == np.float32
    if faces_only:
        assert (table["AU1_active"].dtype, table["track"].dtype) == (np.bool_, np.int32)
    back = pd.read_csv(tmp_path / "a.csv")
    of_aus = [f"{au}_{kind}" for kind in ("smoothed", "active") for au in ("AU1", "AU2", "AU12")]
    assert list(back.columns) == [*KEYS, "score", *of_aus, "source"]
    for name in back.columns[1:]:
        expected = table[name].astype("Float64").to_numpy(float, na_value=np.nan)
        np.testing.assert_allclose(back[name].to_numpy(float), expected, atol=1e-6)


def test_columns_are_chosen_by_group_or_by_name(path):
    with open_results(path) as results:
        members = results.to_dataframe(["member_logit", "score"], faces_only=True)
        np.testing.assert_array_equal(members["b_AU2_member_logit"], results.faces["member_logit"][:, 1, 1])
        assert list(members.columns[-2:]) == ["b_AU12_member_logit", "score"]
        few = results.to_dataframe(["AU12_active", "score", "AU1_active", "active"])
        assert list(few.columns) == [*KEYS, "AU12_active", "score", "AU1_active", "AU2_active"]
        for wrong in ("AU99_active", "frame_", "", "n_faces"):
            with pytest.raises(UsageError, match="AU12_active"):
                results.to_dataframe([wrong])


def test_a_members_logit_that_was_not_computed_has_no_value(path, tmp_path):
    export_table("csv", tmp_path / "a.csv", [path], ["member_logit"], faces_only=True)
    table = pd.read_csv(tmp_path / "a.csv", na_values=[], keep_default_na=False)
    assert set(table["b_AU1_member_logit"]) == {""}
    assert "nan" not in (tmp_path / "a.csv").read_text()


def test_frames_of_an_image_folder_keep_the_numbers_of_its_files(tmp_path):
    made = video([1, 0, 0] * 3000)
    made.block.index[:] = np.arange(9000) * 2 + 10
    with ResultsWriter(tmp_path / "a.h5", header()) as writer:
        made.write(writer)
        writer.finish()
    export_table("csv", tmp_path / "a.csv", [tmp_path / "a.h5"])
    export_table("openface", tmp_path / "o.csv", [tmp_path / "a.h5"])
    table, openface = pd.read_csv(tmp_path / "a.csv"), pd.read_csv(tmp_path / "o.csv")
    np.testing.assert_array_equal(table["frame"], made.block.index)
    np.testing.assert_array_equal(openface["frame"], made.block.index + 1)
    np.testing.assert_allclose(table["time_s"], made.block.time_s, atol=1e-6)
    np.testing.assert_array_equal(openface["success"], np.arange(9000) % 3 == 0)
    np.testing.assert_array_equal(table["track"].notna(), np.arange(9000) % 3 == 0)


@settings(max_examples=25, deadline=None)
@given(name=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=12))
def test_any_name_of_a_video_or_an_au_survives(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("names")
    with ResultsWriter(folder / "a.h5", header(1, au_names=(name,), source=source(name))) as writer:
        video([1, 0], n_aus=1).write(writer)
        writer.finish()
    export_table("csv", folder / "a.csv", [folder / "a.h5"], ["active"])
    export_table("parquet", folder / "a.parquet", [folder / "a.h5"], ["active"])
    head, rows = records(folder / "a.csv")
    back = pd.read_parquet(folder / "a.parquet")
    with open_results(folder / "a.h5") as results:
        table = results.to_dataframe(["active"])
    assert head == list(back.columns) == list(table.columns) == [*KEYS, f"{escape(name)}_active"]
    assert {row[0] for row in rows} == set(back["video"]) == set(table["video"])
    assert not set(rows[0][0]) & set("\n\r\x85\u2028"), "a video's name stays on its line"


# One file


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_table_of_all_concatenates_single_tables(tmp_path, suffix):
    out = tmp_path / "out"
    of(out, "b.mp4", [1, 0, 2])
    of(out, "sub/a.mp4", [0, 0], seed=1)
    of(out, 'c,"d" é.mp4', [1] * 5, seed=2)
    code, said = run(out, "--out", tmp_path / f"one.{suffix}")
    assert (code, said) == (0, f"3 of 3 files written as {suffix} in {tmp_path / f'one.{suffix}'}\n")
    assert run(out, "--out", f"{tmp_path}/each/", "--format", suffix)[0] == 0
    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    whole = read(tmp_path / f"one.{suffix}")
    parts = [read(tmp_path / "each" / f"{name}.{suffix}") for name in ("b.mp4", 'c,"d" é.mp4', "sub/a.mp4")]
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))
    assert set(whole["video"]) == {"b.mp4", 'c,"d" é.mp4', "sub/a.mp4"}
    if suffix == "csv":
        texts = [(tmp_path / "each" / f"{n}.csv").read_text() for n in ("b.mp4", 'c,"d" é.mp4', "sub/a.mp4")]
        body = "".join(text.partition("\n")[2] for text in texts)
        assert (tmp_path / "one.csv").read_text() == texts[0].partition("\n")[0] + "\n" + body
        records(tmp_path / "one.csv")


def test_data_frames_of_several_videos_concatenate(tmp_path):
    paths = [of(tmp_path, name, counts) for name, counts in (("a", [1, 0]), ("b", [2, 1]))]
    export_table("parquet", tmp_path / "one.parquet", paths)
    tables = []
    for path in paths:
        with open_results(path) as results:
            tables.append(results.to_dataframe())
    pd.testing.assert_frame_equal(
        pd.concat(tables, ignore_index=True), pd.read_parquet(tmp_path / "one.parquet")
    )


@pytest.mark.parametrize("faces_only", [False, True])
def test_results_with_other_aus_have_the_columns_of_all(tmp_path, faces_only):
    paths = [
        of(tmp_path, "a", [1, 0], au_names=("AU1", "AU2", "AU12"), model_digest="1" * 64),
        of(tmp_path, "b", [1, 1], au_names=("AU12", "AU4", "AU1"), model_digest="2" * 64, model_name="other"),
    ]
    for fmt in ("csv", "parquet"):
        layout, bad = export_table(
            fmt, tmp_path / f"x.{fmt}", paths, ["smoothed", "active"], faces_only=faces_only
        )
        assert layout.gaps
        assert bad == []
    head, rows = records(tmp_path / "x.csv")
    aus = ["AU1", "AU2", "AU12", "AU4"]
    assert head == KEYS + [f"{au}_{kind}" for kind in ("smoothed", "active") for au in aus]
    back = pd.read_parquet(tmp_path / "x.parquet")
    for i, path in enumerate(paths):
        with open_results(path) as results:
            own = results.to_dataframe(["smoothed", "active"], faces_only=faces_only)
        part = back[back["video"] == "ab"[i]].reset_index(drop=True)
        for name in head[4:]:
            empty = [row[head.index(name)] == "" for row in rows if row[0] == "ab"[i]]
            if name in own:
                np.testing.assert_array_equal(
                    part[name].astype("Float64").to_numpy(float, na_value=np.nan),
                    own[name].astype("Float64").to_numpy(float, na_value=np.nan),
                )
                np.testing.assert_array_equal(empty, own["track"].isna())
            else:
                assert part[name].isna().all()
                assert all(empty)
    code, said = run(tmp_path, "--out", tmp_path / "y.csv")
    assert code == 0
    assert "2 different models (student, other)" in said


def test_parquet_goes_row_group_by_row_group_and_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("autrt.results.tables.parquet.ROW_GROUP_ROWS", 100)
    paths = [of(tmp_path, "a/b.mp4", [1, 2] * 83), of(tmp_path, "c.mp4", [1] * 60)]
    export_table("parquet", tmp_path / "a.parquet", paths[:1])
    export_table("parquet", tmp_path / "two.parquet", paths)
    file, two = pq.ParquetFile(tmp_path / "a.parquet"), pq.ParquetFile(tmp_path / "two.parquet")
    groups = [f.metadata.row_group(i).num_rows for f in (file, two) for i in range(f.num_row_groups)]
    assert groups == [100, 100, 49, 100, 100, 100, 9]
    about = json.loads(file.schema_arrow.metadata[b"autrt"])
    assert (about["au_names"], about["videos"]) == (["AU1", "AU2", "AU12"], 1)
    assert (about["source_path"], about["n_frames"]) == ("a/b.mp4", 166)
    about = json.loads(two.schema_arrow.metadata[b"autrt"])
    assert (about["videos"], about["models"][0]["videos"]) == (2, 2)
    assert "source_path" not in about
    field = two.schema_arrow.field("box_x0")
    assert (field.type, field.metadata[b"unit"]) == (pa.float32(), b"px")


def test_two_videos_of_one_name_are_refused(tmp_path):
    paths = [results_file(tmp_path / folder / "a.h5", [1]) for folder in ("x", "y")]
    with pytest.raises(UsageError, match=r"a/b\.mp4 a second time"):
        run(*paths, "--out", tmp_path / "one.csv")
    assert not (tmp_path / "one.csv").exists()
    assert run(paths[0], paths[0], "--out", tmp_path / "one.csv")[0] == 0  # the same file, named twice
    assert len(records(tmp_path / "one.csv")[1]) == 1


def damage(path: Path, dataset: str) -> None:
    """Change a byte of a dataset's last chunk, whose checksum then fails when it is read."""
    with h5py.File(path) as file:
        item = file[dataset]
        chunk = item.id.get_chunk_info(item.id.get_num_chunks() - 1)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset + chunk.size // 2] ^= 255
    path.write_bytes(raw)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_damaged_results_are_named_and_the_others_written(tmp_path, suffix):
    out = tmp_path / "out"
    good = [of(out, name, [1, 0]) for name in ("a", "z")]
    half = of(out, "half", [1] * 9000)
    damage(half, "faces/smoothed")  # its first rows are written before this shows
    (out / "bad\n.h5").write_bytes(b"no")
    code, said = run(out, "--out", tmp_path / f"one.{suffix}")
    assert code == 3
    assert "bad\\x0a.h5: no whole HDF5 file" in said
    assert "half.h5: /faces/smoothed is damaged" in said
    assert said.splitlines()[-1].startswith(f"2 of 4 files written as {suffix}")
    export_table(suffix, tmp_path / f"good.{suffix}", good)
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"good.{suffix}").read_bytes()


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), n=st.integers(1, 40))
def test_results_damaged_anywhere_are_named_or_read(tmp_path_factory, at, bits, n):
    folder = tmp_path_factory.mktemp("damage")
    path = results_file(folder / "a.h5", COUNTS * 8)
    raw = bytearray(path.read_bytes())
    start = int(at * len(raw))
    raw[start : start + n] = bytes(b ^ bits for b in raw[start : start + n])
    path.write_bytes(raw)
    good = of(folder, "good", COUNTS)
    layout, bad = export_table("csv", folder / "one.csv", [good, path])
    assert layout is not None
    assert len(bad) <= 1
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in bad)
    outcome = CliRunner().invoke(summary, [str(folder), "--json"])
    assert isinstance(outcome.exception, SystemExit | None), outcome.exception
    told = json.loads(outcome.stdout)
    assert len(told["videos"]) + len(told["damaged"]) == 2


def test_table_without_whole_results_is_not_written(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no")
    code, said = run(tmp_path / "a.h5", "--out", tmp_path / "one.csv")
    assert code == 3
    assert said.endswith(f"0 of 1 files written as csv in {tmp_path / 'one.csv'}\n")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "one.parquet", "--format", "csv"], "ends in .csv, or a folder"),
        (["--out", "one.csv", "--format", "abaw-2022"], "expected a folder"),
        (["--out", "one.xlsx"], "ends in .csv, .parquet, .eaf or .boris"),
        (["--out", "file"], "expected a folder, or a file"),
        (["--out", "one.csv", "--format", "openface"], "could not be told apart"),
        (["--columns", "score", "--format", "openface"], "columns are fixed"),
        (["--faces-only", "--format", "abaw-2024", "--out", "x"], "every frame"),
        (["--frames", "list.txt"], "are for --format abaw-2022"),
        (["--format", "abaw-2022"], "needs --out"),
    ],
)
def test_conflicting_export_options_are_refused(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    of(tmp_path / "out", "a")
    of(tmp_path / "out", "b")
    Path("file").touch()
    code, told = run("out", *arguments)
    assert code == 2
    assert said in told
    assert names_in(Path()) == ["file", "out"]


def test_a_folder_may_end_like_a_file(path, tmp_path):
    assert run(path, "--out", f"{tmp_path}/one.csv/")[0] == 0
    assert (tmp_path / "one.csv" / "b.mp4.csv").is_file()
    assert run(path, "--out", tmp_path / "one.csv")[0] == 0
    assert run(path, "--out", f"{tmp_path}/v1.parquet.d")[0] == 0
    assert (tmp_path / "v1.parquet.d" / "b.mp4.csv").is_file()


# What a table says of itself


GRADED = {
    "au_grades": ("validated", "experimental", "ungraded"),
    "au_evidence": {"AU1": "AUC .95", "AU2": "AUC .6"},
}


def test_grades_stand_beside_a_csv_file(tmp_path):
    target = tmp_path / "é 1.csv"
    export_table("csv", target, [of(tmp_path, "a.mp4", **GRADED)])
    about = json.loads((tmp_path / "é 1.csv-metadata.json").read_text(encoding="utf-8"))
    assert about["url"] == "%C3%A9%201.csv"
    columns = about["tableSchema"]["columns"]
    assert [c["name"] for c in columns] == records(target)[0]
    by_name = {c["name"]: c for c in columns}
    assert by_name["AU1_smoothed"]["autrt:grade"] == "validated"
    assert by_name["AU2_active"]["autrt:evidence"] == "AUC .6"
    assert by_name["AU2_active"]["datatype"] == "boolean"
    assert "autrt:grade" not in by_name["AU12_active"]
    assert by_name["box_x0"]["schema:unitText"] == "px"
    assert about["autrt:table"]["models"][0]["grades"]["AU2"] == "experimental"
    assert about["autrt:table"]["source_path"] == "a.mp4"


def test_grades_stand_in_a_parquet_file_and_the_worst_counts(tmp_path):
    better = {"au_grades": ("weak", "validated", "ungraded"), "au_evidence": {"AU2": "fine"}}
    paths = [of(tmp_path, "a", **GRADED), of(tmp_path, "b", **better), of(tmp_path, "c")]
    export_table("parquet", tmp_path / "one.parquet", paths)
    schema = pq.read_schema(tmp_path / "one.parquet")
    assert schema.field("AU2_logit").metadata[b"grade"] == b"experimental"
    assert schema.field("AU2_logit").metadata[b"evidence"] == b"AUC .6"
    assert schema.field("AU1_logit").metadata[b"grade"] == b"weak"
    assert b"grade" not in schema.field("AU12_logit").metadata
    assert [m["videos"] for m in json.loads(schema.metadata[b"autrt"])["models"]] == [1, 1, 1]


def test_absent_features_are_said_to_need_an_option(tmp_path):
    with pytest.raises(UsageError, match=r"no column 'features'.* `autrt infer --features`"):
        run(of(tmp_path, "a"), "--out", tmp_path / "a.csv", "--columns", "features")


# OpenFace


def results_smoothed(path: Path) -> np.ndarray:
    with open_results(path) as results:
        return results.faces["smoothed"]


def test_openface_leaves_unknown_values_empty(tmp_path):
    aus = ("AU1", "AU12", "AU24")
    path = of(tmp_path, "b.mp4", au_names=aus)
    code, said = run(path, "--format", "openface", "--out", tmp_path / "t")
    assert code == 0
    assert "no column for AU24" in said
    head, rows = records(tmp_path / "t" / "b.mp4.openface.csv")
    with open_results(path) as results:
        active, score = results.faces["active"], results.faces["score"]
        time_s, track = results.frames["time_s"][results.faces["frame"]], results.faces["track"]
    table = pd.DataFrame(rows, columns=head)
    assert table["frame"].tolist() == ["1", "2", "3", "3", "4", "5"]
    assert table["success"].tolist() == ["1", "0", "1", "1", "1", "0"]
    seen, none = table[table["success"] == "1"], table[table["success"] == "0"]
    np.testing.assert_array_equal(seen["face_id"].astype(int), track)
    np.testing.assert_allclose(seen["timestamp"].astype(float), time_s, atol=1e-6)
    np.testing.assert_allclose(seen["confidence"].astype(float), score, atol=1e-4)
    np.testing.assert_array_equal(seen["AU01_c"].astype(int), active[:, 0])
    np.testing.assert_array_equal(seen["AU12_c"].astype(int), active[:, 1])
    smoothed = results_smoothed(path)
    for i, (au, threshold) in enumerate(zip(("01", "12"), header().thresholds, strict=False)):
        p, r = seen[f"AU{au}_p"].astype(float).to_numpy(), seen[f"AU{au}_r"].astype(float).to_numpy()
        np.testing.assert_allclose(p, smoothed[:, i], atol=1e-6)
        below, above = p / threshold, 1 + 4 * (p - threshold) / (1 - threshold)
        np.testing.assert_allclose(r, np.where(p < threshold, below, above), atol=0.006)
        np.testing.assert_array_equal(r >= 0.995, active[:, i])
    known = {"frame", "face_id", "timestamp", "confidence", "success", "pose_Rx", "pose_Ry", "pose_Rz"}
    known |= {f"AU{au}_{kind}" for au in ("01", "12") for kind in "cpr"}
    assert (seen.drop(columns=list(known)) == "").to_numpy().all()
    assert (none.drop(columns=["frame", "timestamp", "success"]) == "").to_numpy().all()
    about = json.loads((tmp_path / "t" / "b.mp4.openface.csv-metadata.json").read_text())
    assert [c["name"] for c in about["tableSchema"]["columns"]] == head
    assert run(path, "--format", "openface", "--faces-only", "--out", tmp_path / "one.csv")[0] == 0
    assert len(records(tmp_path / "one.csv")[1]) == 4


def test_openfaces_columns_are_those_of_its_own_files():
    """Written out from OpenFace 2.2's output format, by its sections and their numbers of columns."""
    names = list(OPENFACE_COLUMNS)
    assert len(names) == 714
    assert names[:13] == [
        "frame", "face_id", "timestamp", "confidence", "success",
        "gaze_0_x", "gaze_0_y", "gaze_0_z", "gaze_1_x", "gaze_1_y", "gaze_1_z", "gaze_angle_x", "gaze_angle_y",
    ]  # fmt: skip
    assert names[13:15] == ["eye_lmk_x_0", "eye_lmk_x_1"]
    assert names[13 + 55 : 13 + 57] == ["eye_lmk_x_55", "eye_lmk_y_0"]
    assert names[13 + 2 * 56] == "eye_lmk_X_0"
    assert names[292:299] == [
        "eye_lmk_Z_55",
        "pose_Tx",
        "pose_Ty",
        "pose_Tz",
        "pose_Rx",
        "pose_Ry",
        "pose_Rz",
    ]
    assert names[299:301] == ["x_0", "x_1"]
    assert names[299 + 68] == "y_0"
    assert names[299 + 2 * 68 - 1 : 299 + 2 * 68 + 1] == ["y_67", "X_0"]
    assert names[638:646] == ["Z_67", "p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", "p_0"]
    assert names[678] == "p_33"
    assert names[679:] == [
        "AU01_r", "AU02_r", "AU04_r", "AU05_r", "AU06_r", "AU07_r", "AU09_r", "AU10_r", "AU12_r", "AU14_r",
        "AU15_r", "AU17_r", "AU20_r", "AU23_r", "AU25_r", "AU26_r", "AU45_r",
        "AU01_c", "AU02_c", "AU04_c", "AU05_c", "AU06_c", "AU07_c", "AU09_c", "AU10_c", "AU12_c", "AU14_c",
        "AU15_c", "AU17_c", "AU20_c", "AU23_c", "AU25_c", "AU26_c", "AU28_c", "AU45_c",
    ]  # fmt: skip


# py-feat


def test_fex_has_py_feats_names_and_the_tables_values(path):
    with open_results(path) as results:
        fex, table = results.to_fex(), results.to_dataframe(["box", "score", "smoothed"])
    assert list(fex.columns[4:]) == [
        "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", "AU01", "AU02", "AU12",
    ]  # fmt: skip
    np.testing.assert_array_equal(fex["frame"], table["frame"])
    np.testing.assert_array_equal(fex["AU01"], table["AU1_smoothed"])
    np.testing.assert_allclose(fex["FaceRectX"] + fex["FaceRectWidth"], table["box_x1"], rtol=1e-6)
    assert fex["FaceScore"].isna().sum() == (table["track"].isna()).sum() == 2


# The commands


def test_without_pandas_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.delitem(sys.modules, "autrt.results.tables.dataframe", raising=False)
    with open_results(path) as results, pytest.raises(MissingDependencyError, match=r"autrt\[tables\]"):
        results.to_dataframe()


def test_without_pyarrow_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "autrt.results.tables.parquet", raising=False)
    with pytest.raises(MissingDependencyError, match=r"autrt\[tables\]"):
        run(path, "--format", "parquet")


def test_reading_and_csv_load_no_table_library(path, tmp_path):
    code = (
        "import sys; from pathlib import Path; import autrt.results.writer; "
        "from autrt.results.tables.export import export_table; "
        f"export_table('csv', Path({str(tmp_path / 'a.csv')!r}), [Path({str(path)!r})]); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "pyarrow", "torch", "openvino", "pydantic"} & set(loaded)


def test_export_command_writes_beside_and_below(path, tmp_path):
    wild = results_file(tmp_path / "out" / os.fsdecode(b"w\xff\n.mp4.h5"), [1])
    assert run(tmp_path / "out") == (0, "2 of 2 files written as csv\n")
    assert path.with_suffix(".csv").exists()
    assert wild.with_suffix(".csv").exists()
    assert wild.with_name(wild.stem + ".csv-metadata.json").exists()
    assert run(tmp_path / "out", "--format", "parquet", "--out", tmp_path / "tables")[0] == 0
    assert len(pd.read_parquet(tmp_path / "tables" / "a" / "b.mp4.parquet")) == sum(max(n, 1) for n in COUNTS)


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_export_of_a_name_that_has_no_room_for_its_ending(tmp_path, fmt):
    path = results_file(tmp_path / ("x" * 252 + ".h5"), [1])
    assert run(path, "--format", fmt)[0] == 0
    assert len([p for p in tmp_path.iterdir() if p.suffix == f".{fmt}"]) == 1
    assert len([p for p in tmp_path.iterdir() if p.name.endswith("metadata.json")]) == (fmt == "csv")


def test_export_command_with_a_bad_file_does_the_others(path, tmp_path):
    bad = tmp_path / "out" / "bad\n.h5"
    bad.write_bytes(b"no")
    code, said = run(tmp_path / "out")
    assert code == 3
    assert "bad\\x0a.h5: no whole HDF5 file" in said
    assert said.endswith("1 of 2 files written as csv\n")
    assert path.with_suffix(".csv").exists()
    assert not bad.with_suffix(".csv").exists()


def test_export_of_two_inputs_to_one_output_is_refused(tmp_path):
    paths = [results_file(tmp_path / folder / "a.h5", [1]) for folder in ("x", "y")]
    with pytest.raises(UsageError, match="would both become"):
        run(*paths, "--out", tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize("command", [verify, export])
def test_commands_without_results_are_a_usage_error(command, tmp_path):
    for argument in (tmp_path, tmp_path / "none"):
        outcome = CliRunner().invoke(command, [str(argument)])
        assert isinstance(outcome.exception, UsageError)
        assert outcome.exception.exit_code == 2
    assert CliRunner().invoke(command, []).exit_code == 2


def test_verify_command(path, tmp_path):
    outcome = CliRunner().invoke(verify, [str(tmp_path / "out"), str(path)])
    assert (outcome.exit_code, outcome.output) == (0, "2 files checked: 2 sound, 0 bad\n")
    bad = path.with_name("bad\n.h5")
    bad.write_bytes(path.read_bytes()[:-1])
    outcome = CliRunner().invoke(verify, [str(tmp_path / "out")])
    assert outcome.exit_code == 3
    lines = outcome.output.splitlines()
    assert len(lines) == 3
    assert "bad\\x0a.h5: no whole HDF5 file" in lines[0]
    assert lines[1] == "2 files checked: 1 sound, 1 bad"
    assert lines[2].startswith("delete what is bad")
