"""The examples run as they are, on small inputs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fetched import fetched

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_one_video_prints_who_smiles_when():
    fetched("centerface")
    clip = fetched("clip-smile")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "one_video.py", clip], capture_output=True, text=True, check=True
    )
    *smiles, last = done.stdout.splitlines()
    assert re.fullmatch(r"\d+ smiles in 72 frames", last)
    assert all(re.fullmatch(r" *\d+\.\d\d s  face 0: AU12 [01]\.\d\d", line) for line in smiles)
    assert len((EXAMPLES / "one_video.py").read_text().splitlines()) <= 16


def test_one_video_without_a_video_prints_its_usage():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "one_video.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage: one_video.py" in done.stderr


def test_results_notebook_runs_from_top_to_bottom(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("pandas")
    fetched("centerface")
    notebook = nbformat.read(EXAMPLES / "results.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {i: cell.get("outputs", []) for i, cell in enumerate(notebook.cells)}
    said = json.dumps(outputs)
    assert "50 frames, 50 faces, 1 track" in said
    assert "1 done before" in said
    assert "RecognisedFace track 0" in said


def test_results_notebook_is_stored_without_outputs():
    cells = json.loads((EXAMPLES / "results.ipynb").read_text())["cells"]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
