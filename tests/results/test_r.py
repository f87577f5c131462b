"""The example in R of docs/results.md, where R with arrow and dplyr is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from autrt.cli.export import command
from tests.support.results import video_file

DOCS = Path(__file__).parents[2] / "docs" / "results.md"
PACKAGES = "quit(status = !all(sapply(c('arrow', 'dplyr'), requireNamespace, quietly = TRUE)))"


@pytest.fixture
def rscript() -> str:
    found = shutil.which("Rscript")
    if found is None or subprocess.run([found, "-e", PACKAGES], check=False, capture_output=True).returncode:
        pytest.skip("Rscript with arrow and dplyr is not installed")
    return found


def test_r_reads_the_tables(rscript, tmp_path):
    seen = {0: dict.fromkeys(range(6), 0.7), 1: dict.fromkeys(range(6), 0.2)}
    results = video_file(tmp_path / "a.h5", seen, 6, quality=[1, 1, 0.2, 1] * 3)
    tables = tmp_path / "tables"
    assert (
        CliRunner().invoke(command, [str(results), "--format", "parquet", "--out", str(tables)]).exit_code
        == 0
    )
    (example,) = re.findall(r"```r\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "example.R").write_text(example)
    done = subprocess.run([rscript, "example.R"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.search(r"a/b\.mp4 +0 +3 +0\.7", done.stdout)  # every other face of track 0 is of low quality
