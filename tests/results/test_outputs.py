"""Columns for further outputs of the networks: from the model's spec through spool and file to tables."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from autrt.errors import UsageError
from autrt.results import outputs
from autrt.results.outputs import output_columns
from autrt.results.reader import open_results
from autrt.results.schema import Column
from autrt.results.spool import Spool
from autrt.results.tables.export import export_table
from autrt.results.verification.verify import verify
from autrt.results.writer import ResultsWriter
from autrt.types import TensorSpec
from tests.support.results import header, results_file, video

POSE = Column("faces", "head_pose", "float32", "deg", "yaw, pitch, roll", (3,), optional=True, output="pose")
LIKENESS = Column("faces", "likeness", "float32", "1", "0 to 1", (), optional=True, output="likeness")
NO_COLUMN = "head_pose"
TAKEN = replace(LIKENESS, name="score")
OTHER_TABLE = replace(LIKENESS, table="frames")
OTHER_DTYPE = replace(LIKENESS, dtype="float64")
OTHER_OUTPUT = replace(LIKENESS, output="pose")


def model(**shapes):
    specs = tuple(TensorSpec(name, shape, "float32") for name, shape in shapes.items())
    return SimpleNamespace(name="toy", members=[SimpleNamespace(outputs=specs)])


@pytest.fixture
def installed(monkeypatch):
    """Install entry points: output → name of a column in this module."""

    def install(**columns):
        found = {output: f"{__name__}:{name}" for output, name in columns.items()}
        monkeypatch.setattr(outputs, "plugins", lambda group: found if group == "autrt.columns" else {})

    return install


def test_output_columns_are_those_of_the_models_outputs(installed):
    installed(pose="POSE", likeness="LIKENESS")
    assert output_columns(model(logits=(12,), landmarks=(5, 2), pose=(3,), gaze=(2,))) == (POSE,)
    assert output_columns(model(logits=(12,), likeness=(1,), pose=(3,))) == (POSE, LIKENESS)
    assert output_columns(model(logits=(12,), landmarks=(5, 2), presence=(1,), features=(128,))) == ()


def test_output_columns_refuse_an_output_of_another_size(installed):
    installed(pose="POSE")
    with pytest.raises(UsageError, match=r"'toy': expected 3 numbers a face in its output 'pose'.*found 4"):
        output_columns(model(pose=(4,)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NO_COLUMN", "expected an autrt.results.schema.Column, found str"),
        ("TAKEN", "expected a new name, found 'score'"),
        ("OTHER_TABLE", "expected a float32 column of the table 'faces'"),
        ("OTHER_DTYPE", "expected a float32 column of the table 'faces'"),
        ("OTHER_OUTPUT", "expected a float32 column of the table 'faces' for the output 'likeness'"),
    ],
)
def test_output_columns_refuse_a_packages_misfit(installed, name, message):
    installed(likeness=name)
    with pytest.raises(UsageError, match=message):
        output_columns(model(likeness=(1,)))


def with_outputs(block, seed=0):
    rng, n = np.random.default_rng(seed), len(block.faces)
    extra = {"pose": rng.normal(0, 30, (n, 3)), "likeness": rng.random(n), "unused": rng.random((n, 7))}
    return replace(block, outputs=block.outputs | {k: v.astype(np.float32) for k, v in extra.items()})


def test_spool_keeps_the_outputs_that_have_a_column(tmp_path):
    made = video([1, 0, 3] * 40)
    block = with_outputs(made.block)
    with Spool(tmp_path, 2, 3, [POSE, LIKENESS]) as spool:
        spool.append(block)
        parts = [span.inner for span in spool.blocks(7)]
    for name in ("logits", "pose", "likeness"):
        found = np.concatenate([part.outputs[name] for part in parts])
        np.testing.assert_array_equal(found, block.outputs[name])
    assert set(parts[0].outputs) == {"logits", "pose", "likeness"}


def test_spool_refuses_a_block_without_an_announced_output(tmp_path):
    with Spool(tmp_path, 2, 3, [POSE]) as spool, pytest.raises(ValueError, match=r"'pose': \(3,\).*found"):
        spool.append(video([1, 1]).block)


@pytest.fixture
def with_pose(tmp_path):
    made = video([1, 0, 2, 1])
    block = with_outputs(made.block)
    path = tmp_path / "pose.mp4.h5"
    source = replace(header().source, path="pose.mp4")
    with ResultsWriter(path, header(source=source), outputs=[POSE, LIKENESS]) as writer:
        writer.write(block, made.logit, made.probability, made.smoothed, made.active)
        writer.finish()
    return path, block


def test_writer_stores_outputs_with_unit_and_description(with_pose):
    path, block = with_pose
    assert verify(path) == []
    with h5py.File(path) as file:
        assert file["faces/head_pose"].attrs["unit"] == b"deg"
        assert file["faces/head_pose"].attrs["description"] == b"yaw, pitch, roll"
    with open_results(path) as results:
        np.testing.assert_array_equal(results.faces["head_pose"], block.outputs["pose"])
        np.testing.assert_array_equal(results.faces["likeness"], block.outputs["likeness"])
        assert "unused" not in results.faces


def test_dataframe_has_the_outputs_of_a_file(with_pose):
    path, block = with_pose
    with open_results(path) as results:
        table = results.to_dataframe(faces_only=True)
        chosen = results.to_dataframe(["likeness", "head_pose_2"])
    np.testing.assert_array_equal(table[[f"head_pose_{i}" for i in range(3)]], block.outputs["pose"])
    assert list(chosen.columns[4:]) == ["likeness", "head_pose_2"]
    assert chosen["likeness"].isna().tolist() == [False, True, False, False, False]


def test_csv_leaves_outputs_empty_that_a_video_lacks(with_pose, tmp_path):
    path, block = with_pose
    plain = results_file(tmp_path / "plain.mp4.h5", [1, 1])
    _, bad = export_table("csv", tmp_path / "all.csv", [plain, path], ["score", "likeness"], faces_only=True)
    assert bad == []
    last = [line.split(",")[-1] for line in (tmp_path / "all.csv").read_text().splitlines()]
    assert last == ["likeness", "", "", *(f"{value:.6f}" for value in block.outputs["likeness"])]


def test_table_names_the_outputs_among_its_columns(with_pose):
    with (
        open_results(with_pose[0]) as results,
        pytest.raises(UsageError, match=r"'smile'.*head_pose, likeness"),
    ):
        results.to_dataframe(["smile"])
