"""The packaged models' making, scripts/train_default, at small size on made-up coded faces."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autrt.engine.parity import read_reference
from autrt.model.folder import load_model
from autrt.model.schema import MODEL_FILE, ModelFile, read_json
from tests.support.coded_faces import write_coded_faces
from tests.support.fetched import fetched

ROOT = Path(__file__).parents[2]


def script(name: str, *arguments: object, **more: str) -> str:
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "train"))
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": paths} | more
    command = [*([] if name == "train_default" else [sys.executable]), str(ROOT / "scripts" / name)]
    done = subprocess.run(
        [*command, *map(str, arguments)], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_default_is_made_from_data_folders_alone(tmp_path):
    fetched("centerface")
    taught = write_coded_faces(tmp_path / "taught", range(40))
    others = write_coded_faces(tmp_path / "others", range(40, 64), coders=("_a", "_b"))
    script(
        "train_default", tmp_path / "out", "student", taught, taught.parent, others, others.parent,
        AUTRT_MODELS="student-open",
        AUTRT_SETTINGS="--set finetune.folds=2 --set finetune.views=1 --set finetune.least=5",
    )  # fmt: skip
    start, model = load_model("student"), load_model(tmp_path / "out" / "packaged" / "student-open")
    file = read_json(model.path / MODEL_FILE, ModelFile)
    changed = model.thresholds != start.thresholds
    assert [au for au, new in zip(model.au_names, changed, strict=True) if new] == ["AU4", "AU12"]
    assert set(file.training["sources"]) == {"tier A, free", "tier B, from repositories under free licences"}
    assert 18 <= file.training["faces"] <= 27  # of 40, a third is of the source that is left out
    assert {metric.name for metric in file.metrics} >= {"auc", "f1_binary", "positives"}
    np.testing.assert_array_equal(read_reference(model.members[0])[0], read_reference(start.members[0])[0])


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
