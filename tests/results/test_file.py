"""Results files: round trips, layout, and errors."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autrt
from autrt.errors import ResultsError
from autrt.model.folder import load_model, packaged_models
from autrt.results.fingerprint import SourceFacts
from autrt.results.header import VideoFacts
from autrt.results.reader import open_results
from autrt.results.schema import (
    ATTRIBUTES,
    CHUNK_ROWS,
    COLUMNS,
    COMPACT_BYTES,
    FEATURES,
    HEADER,
    OF_STILLS,
    PLAIN,
    QUALITY,
)
from autrt.results.verification.verify import verify
from autrt.results.writer import ResultsWriter
from autrt.types import Loss
from tests.support.results import header, names_in, results_file, video

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
DOCS = Path(__file__).parents[2] / "docs" / "results.md"


def datasets(path: Path) -> dict[str, tuple[str, bytes]]:
    """Type and bytes of every dataset."""
    found: dict[str, tuple[str, bytes]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = (str(item.dtype), np.ascontiguousarray(item[()]).tobytes())

    with h5py.File(path) as file:
        file.visititems(note)
    return found


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), max_size=40),
    n_members=st.integers(1, 3),
    n_aus=st.integers(1, 5),
    size=st.integers(1, 50),
    keep=st.booleans(),
    reasons=st.lists(st.text(max_size=12), max_size=3),
    seed=st.integers(0, 99),
)
def test_round_trip(tmp_path_factory, counts, n_members, n_aus, size, keep, reasons, seed):
    path = tmp_path_factory.mktemp("out") / "a" / "b.mp4.h5"
    head = header(n_aus, members=[f"m{i}" for i in range(n_members)])
    made = video(counts, n_members, n_aus, seed)
    with ResultsWriter(path, head, keep_members=keep) as writer:
        made.write(writer, size)
        losses = [Loss(0.25 * i, i, reason) for i, reason in enumerate(reasons)]
        assert writer.finish(losses, repaired_times=3) == path
    assert names_in(path.parent) == [path.name]
    assert verify(path) == []
    with open_results(path) as results:
        assert results.header == head
        assert (results.n_frames, results.n_faces, results.repaired_times) == (len(counts), sum(counts), 3)
        faces = made.block.faces
        expected = {
            "frame": faces.row, "track": faces.track, "box": faces.boxes, "landmarks": faces.landmarks,
            "score": faces.score, "source": faces.source, "logit": made.logit, "probability": made.probability,
            "smoothed": made.smoothed, "active": made.active,
        } | ({"member_logit": made.block.member_logits} if keep else {})  # fmt: skip
        assert set(results.faces.columns) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(results.faces[name], array, strict=True)
        np.testing.assert_array_equal(results.frames["n_faces"], np.asarray(counts, np.int32), strict=True)
        for name in ("index", "pts", "time_s"):
            np.testing.assert_array_equal(results.frames[name], getattr(made.block, name), strict=True)
        readable = [r.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00") for r in reasons]
        assert results.lost["reason"].tolist() == readable
        assert results.lost["packets"].tolist() == list(range(len(reasons)))


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.integers(0, 5), max_size=30))
def test_tracks_are_those_of_the_rows(tmp_path_factory, counts):
    path = results_file(tmp_path_factory.mktemp("out") / "a.h5", counts)
    with open_results(path) as results:
        rows = list(zip(results.faces["frame"].tolist(), results.faces["track"].tolist(), strict=True))
        times, smoothed = results.frames["time_s"], results.faces["smoothed"]
        tracks = list(results.each_track())
        assert [t.id for t in tracks] == sorted({track for _, track in rows}) == results.tracks["id"].tolist()
        for track in tracks:
            own = [i for i, (_, t) in enumerate(rows) if t == track.id]
            frames = [rows[i][0] for i in own]
            assert track.rows.tolist() == own
            assert (track.first_frame, track.last_frame) == (frames[0], frames[-1])
            np.testing.assert_array_equal(track.time_s, times[frames])
            np.testing.assert_array_equal(track["smoothed"], smoothed[own])
        assert results.tracks["n_faces"].tolist() == [len(t.rows) for t in tracks]


def test_many_rows_and_tracks_over_several_chunks(tmp_path):
    counts = [3, 0, 1] * 4000
    path = results_file(tmp_path / "a.h5", counts)
    with open_results(path) as results:
        assert results.n_faces == 16000
        middle = results.faces["score", 5000:5003]
        np.testing.assert_array_equal(middle, results.faces["score"][5000:5003])
        spans = list(results.spans(1000))
        frame = results.faces["frame"]
        for frames, faces in spans:
            inside = (frame >= frames.start) & (frame < frames.stop)
            assert np.flatnonzero(inside).tolist() == list(range(faces.start, faces.stop))


def test_two_runs_give_equal_datasets_whatever_the_pieces(tmp_path):
    made = video([1, 2, 0, 3] * 1500)
    paths = []
    for i, size in enumerate((1, 977, 6000)):
        with ResultsWriter(tmp_path / f"{i}.h5", header()) as writer:
            made.write(writer, size)
            paths.append(writer.finish())
    assert datasets(paths[0]) == datasets(paths[1]) == datasets(paths[2])


@pytest.mark.parametrize("counts", [[1, 0, 2, 1], [1, 2] * 3000])
def test_every_dataset_is_checked_and_described(tmp_path, counts):
    people = np.zeros(max(counts), np.int32)
    path = results_file(tmp_path / "a.h5", counts, baseline="p5", damaged=True, person=people)
    with h5py.File(path) as file:
        for column in (c for c in COLUMNS if c not in (FEATURES, *QUALITY, *OF_STILLS)):
            dataset = file[column.path]
            assert isinstance(dataset, h5py.Dataset)
            if dataset.nbytes > COMPACT_BYTES or len(dataset) > CHUNK_ROWS[column.table]:
                assert (dataset.compression, dataset.shuffle, dataset.fletcher32) == ("gzip", True, True)
            else:
                assert dataset.id.get_create_plist().get_layout() == h5py.h5d.COMPACT
            assert dataset.attrs["unit"].decode() == column.unit
            assert dataset.attrs["description"].decode() == column.description
        assert file["frames/pts"].attrs["time_base_den"] == 15360
        assert file["frames/time_s"].attrs["repaired"] == 1


def test_header_is_json_with_some_plain_attributes(tmp_path):
    head = header(
        source=SourceFacts(path="é\udcff.mp4", kind="video", size_bytes=1, mtime_ns=2, fingerprint="f")
    )
    with ResultsWriter(tmp_path / "a.h5", head) as writer:
        path = writer.finish()
    with h5py.File(path) as file:
        facts = json.loads(file.attrs[HEADER])
        unstated = {"video_transfer", "video_primaries", "video_matrix"}
        unstated |= {"source_ctime_ns", "video_stream_index", "video_other_streams", "cpu_decoding_reason"}
        unstated |= {"temporal_digest", "recomputed"}
        assert set(facts) == {a.name for a in ATTRIBUTES} - PLAIN - unstated
        assert set(file.attrs) == {a.name for a in ATTRIBUTES if a.plain and a.on == "/"} | {HEADER}
        assert list(file.attrs["au_names"]) == ["AU1", "AU2", "AU12"]
        assert file.attrs["source_path"] == "é\\xff.mp4"
        assert file.attrs["schema"] == "autrt-results/2"
        assert facts["settings"] == {"detect_every": 6, "smooth": {"domain": "logit"}}
        assert facts["video_duration_s"] is facts["video_frame_count"] is None


@pytest.mark.parametrize("name", packaged_models())
def test_a_two_second_clip_takes_at_most_30_kb(tmp_path, name):
    versions = dict.fromkeys(
        ("autrt", "python", "numpy", "av", "opencv", "onnxruntime", "h5py", "lap"), "1.2.3"
    )
    model = load_model(name)
    graded = {
        "au_names": model.au_names,
        "au_grades": model.au_grades,
        "au_evidence": {au: graded.evidence for au, graded in model.grades.items()},
    }
    members = [member.name for member in model.members]
    made = video([1] * 60, n_members=len(members), n_aus=12)
    for column in QUALITY:
        made.block.outputs[column.output] = np.ones(60, np.float16)
    head = header(12, members=members, versions=versions, **graded)
    with ResultsWriter(tmp_path / "a.h5", head, outputs=QUALITY) as writer:
        made.write(writer)
        assert writer.finish().stat().st_size <= 30_000


@settings(max_examples=15, deadline=None)
@given(
    n_frames=st.integers(0, 5000),
    faces=st.sampled_from([0, 1, 3]),
    keep=st.booleans(),
    with_baseline=st.booleans(),
    n_losses=st.integers(0, 300),
    size=st.sampled_from([1000, 4096, 10_000]),
)
def test_round_trip_at_any_length(tmp_path_factory, n_frames, faces, keep, with_baseline, n_losses, size):
    """Tables of no rows, of bare numbers and of chunks, beside each other."""
    path = tmp_path_factory.mktemp("out") / "a.h5"
    made = video([faces * (i % 2) for i in range(n_frames)])
    base = np.arange(3 * faces, dtype=np.float32).reshape(faces, 3) if with_baseline else None
    losses = [Loss(0.25 * i, i, "x" * (i % 40)) for i in range(n_losses)]
    head = header(baseline="p5" if with_baseline else "none")
    with ResultsWriter(path, head, keep_members=keep) as writer:
        made.write(writer, size)
        writer.finish(losses, baseline=base)
    assert verify(path) == []
    with open_results(path) as results:
        assert (results.n_frames, results.n_faces) == (n_frames, len(made.logit))
        np.testing.assert_array_equal(results.frames["time_s"], made.block.time_s, strict=True)
        for name, array in (("logit", made.logit), ("active", made.active), ("box", made.block.faces.boxes)):
            np.testing.assert_array_equal(results.faces[name], array, strict=True)
        if keep:
            np.testing.assert_array_equal(results.faces["member_logit"], made.block.member_logits)
        if base is not None:
            np.testing.assert_array_equal(results.tracks["baseline"], base[: len(results.tracks)])
        assert results.lost["reason"].tolist() == [loss.reason for loss in losses]


ANY_TIME_NS = st.integers(-(2**70), 2**70) | st.just(13_569_465_600 * 10**9)
"""Times of files from long before 1970 to long after 2262, where 63 bits of nanoseconds end; the last is 2400."""


@settings(max_examples=40, deadline=None)
@given(
    name=st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b),
    words=st.lists(st.text(CHARACTERS, max_size=9), max_size=3),
    duration=st.none() | st.floats(0, 1e6),
    count=st.none() | st.integers(0, 2**40),
    base=st.fractions(min_value=Fraction(1, 10**6), max_value=2, max_denominator=10**6),
    times=st.tuples(ANY_TIME_NS, st.none() | ANY_TIME_NS),
    size=st.integers(0, 2**64),
    extra=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(CHARACTERS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
)  # fmt: skip
def test_any_header_comes_back(tmp_path_factory, name, words, duration, count, base, times, size, extra):
    head = header(
        source=SourceFacts(
            path=os.fsdecode(name), kind="still", size_bytes=size, mtime_ns=times[0], ctime_ns=times[1],
            fingerprint="0", sha256="1",
        ),
        video=VideoFacts(
            width_px=1, height_px=2, rate_hz=29.97, frame_count=count, duration_s=duration, codec="vp9",
            pixel_format="gray", pixel_aspect=1.5, rotation_deg=270, start_s=-0.5,
        ),
        members=words,
        time_base=base,
        settings={"extra": extra},
        command=" ".join(words),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("out") / "a.h5"
    with ResultsWriter(path, head) as writer:
        writer.finish()
    assert verify(path) == []
    with open_results(path) as results:
        assert results.header == head
        assert results.run_digest == head.run_digest


def change_facts(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with h5py.File(path, "r+") as file:
        facts = json.loads(file.attrs[HEADER])
        facts |= {name: file.attrs[name] for name in PLAIN}
        before = dict(facts)
        change(facts)
        for name in PLAIN & before.keys():
            if name not in facts:
                del file.attrs[name]
            elif facts[name] is not before[name]:
                file.attrs[name] = facts[name]
        file.attrs[HEADER] = json.dumps({name: facts[name] for name in facts.keys() - PLAIN})


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("thresholds", "high", "thresholds: expected floats, found 'high'"),
        ("thresholds", [0, 1, 0], "thresholds: expected floats"),
        ("au_names", [1, 2, 3], "au_names: expected texts"),
        ("detect_every", True, "detect_every: expected int, found True"),
        ("source_path", 3, "source_path: expected path"),
        ("model_name", None, "model_name: expected text"),
        ("thresholds", [0.5], "expected a threshold and a window for each of 3 AUs"),
        ("time_base_den", 0, "no whole results file"),
    ],
)
def test_the_types_of_facts_are_checked(tmp_path, name, value, fault):
    path = results_file(tmp_path / "a.h5")
    change_facts(path, lambda facts: facts.update({name: value}))
    with pytest.raises(ResultsError, match=fault):
        open_results(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"'])
def test_a_header_that_is_no_json_object(tmp_path, text):
    path = results_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file.attrs[HEADER] = text
    with pytest.raises(ResultsError, match="attribute header: expected"):
        open_results(path)


@pytest.mark.parametrize(
    "missing", ["au_names", "video_codec", "source_path", "model_digest", "finished_utc"]
)
def test_a_missing_fact_is_named(tmp_path, missing):
    path = results_file(tmp_path / "a.h5")
    change_facts(path, lambda facts: facts.pop(missing))
    with pytest.raises(ResultsError, match=f"attribute {missing} is missing"):
        open_results(path)


def test_an_unfinished_file(tmp_path):
    path = results_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file.attrs["complete"]
    with pytest.raises(ResultsError, match="never finished"):
        open_results(path)


def test_columns_of_later_versions_are_ignored(tmp_path):
    path = results_file(tmp_path / "a.h5")
    before = open_results(path).header
    change_facts(path, lambda facts: facts.update({"mood": {"of": "the day"}}))
    with h5py.File(path, "r+") as file:
        file["faces/mood"] = np.zeros(len(file["faces/score"]), np.float32)
        file["moods/mood"] = np.zeros(3)
    with open_results(path) as results:
        assert results.header == before
        assert results.faces["mood"].tolist() == [0] * results.n_faces


def test_a_file_of_a_later_schema_says_so(tmp_path):
    path = results_file(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "autrt-results/3"
    with pytest.raises(ResultsError, match=r"found 'autrt-results/3' \(a newer autrt made it"):
        open_results(path)


def test_baselines_go_to_their_tracks(tmp_path):
    made = video([2, 2])
    base = np.array([[np.nan] * 3, [1, 2, 3]], np.float32)
    with ResultsWriter(tmp_path / "a.h5", header(baseline="p5")) as writer:
        made.write(writer)
        path = writer.finish(baseline=base)
    with open_results(path) as results:
        np.testing.assert_array_equal(results.tracks["baseline"], base)


@pytest.mark.parametrize(
    ("steps", "varies"),
    [
        ([1 / 30] * 200, False),
        ([0.041, 0.042, 0.042] * 60, False),  # 23.976 frames/s in whole milliseconds
        ([1 / 30] * 150 + [0.5], False),  # one loss
        ([1 / 30] * 100 + [1 / 15] * 10, True),
        ([], False),
    ],
)
def test_variable_rate(tmp_path, steps, varies):
    made = video([0] * (len(steps) + 1))
    made.block.time_s[:] = np.concatenate([[0], np.cumsum(steps)])
    with ResultsWriter(tmp_path / "a.h5", header(time_base=Fraction(1, 1000))) as writer:
        made.write(writer)
        writer.finish()
    with open_results(tmp_path / "a.h5") as results:
        assert results.variable_rate is varies


def test_writers_in_many_threads(tmp_path):
    videos = [video([1, i % 3] * 3000, seed=i) for i in range(6)]
    together, alone = tmp_path / "together", tmp_path / "alone"

    def write(folder: Path, i: int) -> None:
        for again in range(2):
            with ResultsWriter(folder / f"{i}-{again}.h5", header()) as writer:
                videos[i].write(writer, 500)
                writer.finish()

    threads = [threading.Thread(target=write, args=(together, i)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(6):
        write(alone, i)
        for again in range(2):
            assert datasets(together / f"{i}-{again}.h5") == datasets(alone / f"{i}-{again}.h5")
    assert len(names_in(together)) == 12


def test_wrong_rows_are_refused_and_leave_nothing(tmp_path):
    made = video([1, 1])
    writer = ResultsWriter(tmp_path / "a.h5", header())
    with pytest.raises(ValueError, match="/faces/logit"):
        writer.write(made.block, made.logit.astype(np.float64), made.probability, made.smoothed, made.active)
    writer.abandon()
    with ResultsWriter(tmp_path / "b.h5", header()) as writer:
        made.write(writer)
        with pytest.raises(ValueError, match="faces of 2 frames from row 2"):
            made.write(writer)
    assert names_in(tmp_path) == []


def test_numbers_that_contradict_each_other_are_never_named(tmp_path):
    made = video([1, 1])
    made.probability[1, 1] = 2
    with ResultsWriter(tmp_path / "a.h5", header()) as writer:
        made.write(writer)
        with pytest.raises(ResultsError, match=r"sigmoid.*row 1"):
            writer.finish()
    assert names_in(tmp_path) == []


def test_abandoned_writer_leaves_the_old_file(tmp_path):
    path = results_file(tmp_path / "a.h5")
    before = path.read_bytes()
    with ResultsWriter(path, header()) as writer:
        video([1]).write(writer)
    assert path.read_bytes() == before
    results_file(path, [1])
    assert len(names_in(tmp_path)) == 1
    with open_results(path) as results:
        assert results.n_frames == 1


def test_a_file_where_a_folder_is_needed(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(ResultsError, match="a folder is needed there, but a file has its name"):
        ResultsWriter(tmp_path / "a" / "b.h5", header())
    (tmp_path / "c.h5").mkdir()
    with (
        ResultsWriter(tmp_path / "c.h5", header()) as writer,
        pytest.raises(ResultsError, match="a file is needed there, but a folder has its name"),
    ):
        writer.finish()
    assert names_in(tmp_path) == ["a", "c.h5"]


def test_foreign_and_missing_files(tmp_path):
    (tmp_path / "empty.h5").write_bytes(b"")
    (tmp_path / "text.h5").write_text("no HDF5 at all" * 99)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    for name in ("empty", "text", "foreign", "missing"):
        with pytest.raises(ResultsError, match=rf"{name}.h5: (no whole|there is no)"):
            open_results(tmp_path / f"{name}.h5")
    with pytest.raises(ResultsError):
        open_results(tmp_path)


def test_unknown_column_is_named(tmp_path):
    with (
        autrt.open_results(results_file(tmp_path / "a.h5")) as results,
        pytest.raises(ResultsError, match=r"no column 'smile'; it has frame, track, box"),
    ):
        _ = results.faces["smile"]


def test_the_examples_of_the_docs_run(tmp_path, monkeypatch):
    results_file(tmp_path / "out" / "anna.mp4.h5", [1, 2] * 60)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(blocks) == 4
    spaces = [dict[str, object]() for _ in blocks]
    for block, space in zip(blocks, spaces, strict=True):
        exec(compile(block, str(DOCS), "exec"), space)
    table, plain = spaces[0]["table"], spaces[1]["table"]
    np.testing.assert_array_equal(table["AU12_smoothed"], plain["AU12"])  # type: ignore[index]
    np.testing.assert_array_equal(table["time_s"], plain["time_s"])  # type: ignore[index]


def test_the_docs_name_everything():
    text = DOCS.read_text()
    for column in COLUMNS:
        assert f"`{column.name}`" in text or f"`/{column.path}`" in text
    for attribute in ATTRIBUTES:
        assert f"`{attribute.name}`" in text


def test_repr_of_results_names_video_counts_and_model(tmp_path):
    with open_results(results_file(tmp_path / "a.h5", [1, 0, 2])) as results:
        header = results.header
        expected = (
            f"<Results of {header.source.path}: 3 frames, 3 faces in {len(results.tracks)} tracks, "
            f"{len(header.au_names)} AUs by {header.model_name}>"
        )
        assert repr(results) == expected
    assert repr(results) == f"<Results of {header.source.path}: closed>"


def test_results_that_are_closed_say_so(tmp_path):
    with open_results(results_file(tmp_path / "a.h5")) as results:
        results.faces["score"]
    for read in (lambda: results.faces["score"], lambda: len(results.tracks)):
        with pytest.raises(ResultsError, match=r"closed.*with autrt\.open_results"):
            read()


def test_a_damaged_column_is_not_called_a_missing_one(tmp_path):
    path = results_file(tmp_path / "a.h5")
    with h5py.File(path) as file:
        at = file["faces/smoothed"].id.get_offset() or path.read_bytes().find(
            file["faces/smoothed"][:].tobytes()
        )
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with open_results(path) as results, pytest.raises(ResultsError, match="checksum"):
        results.faces["smoothed"]
