"""The packaged models' making, scripts/train_default, at small size on made-up coded faces."""

from __future__ import annotations

import csv
import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from autrt.engine.parity import read_reference
from autrt.model.folder import load_model
from autrt.model.schema import MODEL_FILE, ModelFile, read_json
from autrt.model.student import Student, StudentConfig
from tests.support.coded_faces import write_coded_faces
from tests.support.fetched import fetched

ROOT = Path(__file__).parents[2]
MARGIN_PX = 12


def script(name: str, *arguments: object, **more: str) -> str:
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "train"))
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": paths} | more
    command = [*([] if name == "train_default" else [sys.executable]), str(ROOT / "scripts" / name)]
    done = subprocess.run(
        [*command, *map(str, arguments)], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_uncoded_faces(folder: Path) -> Path:
    """Write uncoded faces as scripts/real_body.py reads them: Person0 to Person63, the first eight with a word."""
    crops, _ = read_reference(load_model("student").members[0])
    framed = np.pad(crops, [(0, 0), (MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)], "edge")
    coded = [cv2.imencode(".jpg", np.ascontiguousarray(face[..., ::-1]))[1] for face in framed]
    names = ["_neutral", "jawOpen", "mouthSmileLeft", "mouthSmileRight"]
    people = [f"Person{i}_0001.jpg" for i in range(len(crops))]
    folder.mkdir()
    np.savez(
        folder / "a.npz",
        jpeg=np.concatenate(coded),
        offset=np.cumsum([0, *map(len, coded)]),
        path=[f"fer/data/happy/{name}" if i < 8 else f"mux/images/{name}" for i, name in enumerate(people)],
        blend=np.random.default_rng(0).random((len(crops), len(names))).astype(np.float16),
        names=names,
    )
    return folder


@pytest.mark.slow
def test_the_default_is_made_from_data_folders_alone(tmp_path):
    fetched("centerface")
    taught = write_coded_faces(tmp_path / "taught", range(40))
    others = write_coded_faces(tmp_path / "others", range(40, 64), coders=("_a", "_b"))
    script(
        "train_default", tmp_path / "out", "student-open", write_uncoded_faces(tmp_path / "uncoded"),
        taught, taught.parent, others, others.parent,
        AUTRT_MODELS="student-plus student-open",
        AUTRT_SETTINGS="--set finetune.folds=2 --set finetune.views=1 --set finetune.least=5",
        AUTRT_PICTURES="64",
    )  # fmt: skip
    packaged = tmp_path / "out" / "packaged"
    start, model, plus = (
        load_model(one) for one in ("student-open", packaged / "student-open", packaged / "student-plus")
    )
    file = read_json(model.path / MODEL_FILE, ModelFile)
    changed = model.thresholds != start.thresholds
    assert [au for au, new in zip(model.au_names, changed, strict=True) if new] == ["AU4", "AU12"]
    assert set(file.training["sources"]) == {"tier A, free", "tier B, from repositories under free licences"}
    assert 18 <= file.training["faces"] <= 27  # of 40, a third is of the source that is left out
    assert {metric.name for metric in file.metrics} >= {"auc", "f1_binary", "positives"}
    np.testing.assert_array_equal(read_reference(model.members[0])[0], read_reference(start.members[0])[0])
    assert plus.members[0].architecture["width"] == 24
    assert plus.members[0].architecture["mirror"]
    assert set(plus.grades) == set(plus.au_names)


def test_a_wider_student_begins_as_the_equal_of_the_narrower_one():
    start = Student(StudentConfig(width=8, blocks=(1, 2, 1, 1))).eval()
    for module in start.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias)
            torch.nn.init.uniform_(module.running_mean, -1, 1)
    wide = runpy.run_path(str(ROOT / "scripts/widen.py"))["widen"](start, 12).eval()
    crops = torch.rand(3, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        expected, found = start(crops), wide(crops)
    for name in ("logits", "landmarks", "presence"):
        torch.testing.assert_close(found[name], expected[name])
    torch.testing.assert_close(found["features"][:, :64], expected["features"])
    loss = sum(wide.train()(crops)[name].square().sum() for name in ("logits", "landmarks", "presence"))
    loss.backward()
    assert wide.au.weight.grad[:, -1].abs().sum() > 0, "new channels learn"


def test_a_body_keeps_landmarks_and_leaves_coded_people_out(tmp_path):
    faces, coded = write_uncoded_faces(tmp_path / "faces"), tmp_path / "coded.csv"
    coded.write_text("original\n" + "\n".join(f"Person{i}_0002.jpg" for i in range(8, 40)))
    printed = script(
        "real_body.py", "student", faces, tmp_path / "body", "--excluding", coded, "--pictures", 128
    )
    assert printed.startswith("32 of 64 pictures")
    start, body = (load_model(one).members[0] for one in ("student", tmp_path / "body"))
    assert body.network_digest != start.network_digest
    found, expected = (read_reference(one)[1] for one in (body, start))
    assert np.abs(found["landmarks"] - expected["landmarks"]).mean() < 1
    np.testing.assert_array_equal(found["presence"] > 0, expected["presence"] > 0)


def test_a_coded_table_names_people_and_leaves_sources_out(tmp_path):
    table = tmp_path / "coded.csv"
    names = [
        "Ann_Lee_0001.jpg",
        "Ann_Lee_0002.jpg",
        "clip#4",
        "clip#90",
        *(f"man_{i:03d}.jpg" for i in range(50)),
    ]
    rows = [f"{i}.jpg,{'web' if i < 2 else 'own'},{name},1" for i, name in enumerate(names)]
    table.write_text("\n".join(["file,source,original,AU1", *rows]))
    script("coded_table.py", table, tmp_path / "out" / "all.csv")
    with (tmp_path / "out" / "all.csv").open(newline="") as file:
        people = [row["person"] for row in csv.DictReader(file)]
    assert people[0] == people[1] == "web: Ann_Lee"
    assert people[2] == people[3]
    assert len(set(people)) == 52
    assert script("coded_table.py", table, tmp_path / "own.csv", "--without", "web") == "52 rows\n"
