"""Files of schema 1, as version 0.1.0 wrote them from made-up data: read for good."""

from __future__ import annotations

import gzip
from dataclasses import MISSING, fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from autrt.errors import ResultsError
from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.results.reader import open_results
from autrt.results.schema import ATTRIBUTES
from autrt.results.verification.verify import verify
from autrt.results.writer import ResultsWriter
from autrt.types import Loss
from tests.support.results import header, video

DATA = Path(__file__).parents[1] / "data"
BASELINE = np.array([[np.nan] * 3, [0.5, -1, 2]], np.float32)
COUNTS = [1, 0, 2, 2, 1] * 6


def old(name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    return path


@pytest.mark.parametrize("name", ["results-1.h5", "results-1-members-baseline.h5"])
def test_schema_1_reads_as_schema_2_does(tmp_path, name):
    """The files were written with the same rows and header as those that are written here."""
    full = "members" in name
    head = header(baseline="p5") if full else header()
    made = video(COUNTS, seed=3)
    with ResultsWriter(tmp_path / "new.h5", head, keep_members=full) as writer:
        made.write(writer)
        writer.finish([Loss(0.5, 2, "bad packet")] if full else [], 1, BASELINE if full else None)
    path = old(name, tmp_path)
    assert verify(path) == []
    with open_results(path) as first, open_results(tmp_path / "new.h5") as second:
        assert first.file.attrs["schema"] == "autrt-results/1"
        assert second.file.attrs["schema"] == "autrt-results/2"
        assert first.header == second.header
        assert (first.run_digest, first.repaired_times, first.variable_rate) == (
            second.run_digest, second.repaired_times, second.variable_rate,
        )  # fmt: skip
        for table in ("frames", "faces", "tracks", "lost"):
            a, b = getattr(first, table), getattr(second, table)
            assert a.columns == b.columns
            for column in a.columns:
                np.testing.assert_array_equal(a[column], b[column], strict=True)


@pytest.mark.parametrize("missing", ["au_names", "video_codec", "source_path", "model_digest", "complete"])
def test_a_missing_attribute_of_schema_1_is_named(tmp_path, missing):
    path = old("results-1.h5", tmp_path)
    with h5py.File(path, "r+") as file:
        del file.attrs[missing]
    with pytest.raises(ResultsError, match="never finished" if missing == "complete" else missing):
        open_results(path)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [("model_name", "other", "attributes differ"), ("thresholds", "high", "thresholds: expected floats"),
     ("settings", "{", "settings: expected JSON"), ("settings", '{"a": 1}', "run_digest is not that of")],
)  # fmt: skip
def test_changed_attributes_of_schema_1_are_seen(tmp_path, name, value, fault):
    path = old("results-1.h5", tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    assert any(fault in problem for problem in verify(path)), verify(path)


def test_newer_header_fields_have_defaults():
    """And so a file that lacks it can be read."""
    optional = {a.name for a in ATTRIBUTES if a.optional}
    defaults, of_video = (
        {
            prefix + f.name
            for kind, prefix in kinds
            for f in fields(kind)
            if f.default is not MISSING or f.default_factory is not MISSING
        }
        for kinds in ([(Header, ""), (SourceFacts, "source_")], [(VideoFacts, "video_")])
    )
    required = defaults - {"source_sha256"}  # which the first files had, empty
    assert required <= optional <= required | of_video


def test_colours_of_a_video_are_facts_of_its_results_where_it_states_them(tmp_path):
    stated = replace(header().video, transfer="smpte2084", primaries="bt2020", matrix="bt2020nc")
    with ResultsWriter(tmp_path / "a.h5", header(video=stated)) as writer:
        path = writer.finish()
    with open_results(path) as results:
        assert results.header.video == stated
    assert not verify(path)
