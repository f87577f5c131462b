"""What a node of a cluster checks before it does videos, and what it writes; no cluster is needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autrt.console.progress import VideoProgress
from autrt.errors import AutrtError, ResultsError, UsageError
from autrt.results.names import results_path
from autrt.run.cluster.node import NodeFacts, NodeProcess, Terms, look
from autrt.run.job import Outcome
from autrt.run.options import InferOptions, resolve
from autrt.storage.atomic_file import permit
from autrt.storage.presence import Presence
from autrt.types import Source
from tests.support.crop_folders import write_crop_folders


@pytest.fixture
def video(tmp_path) -> Source:
    write_crop_folders(tmp_path, {"v": 5})
    return Source(tmp_path / "v", "v", "images")


@pytest.fixture
def terms(tmp_path, video) -> Terms:
    (tmp_path / "out").mkdir()
    options = InferOptions(
        inputs=(tmp_path,), out=tmp_path / "out", command="test", aligned=True, offline=True
    )
    return Terms(job=resolve(options)[0], model="student", offline=True, sample=video.path)


@pytest.fixture
def run(terms) -> Iterator[Path]:
    with closing(Presence(terms.job.out, {})) as presence:
        yield presence.path


def test_node_that_agrees_says_what_it_has(terms):
    facts = look(terms)
    assert isinstance(facts, NodeFacts)
    assert facts.memory_bytes > 0
    assert facts.gpu_bytes == ()


def test_node_names_what_differs(terms, tmp_path):
    other_versions = replace(terms, job=replace(terms.job, versions={**terms.job.versions, "autrt": "0.0.1"}))
    changed = tmp_path / "model"
    shutil.copytree(terms.job.model.path, changed)
    file = changed / "model.json"
    file.write_text(file.read_text().replace('"logit"', '"probability"', 1))
    cases = [
        (other_versions, r"expected autrt 0\.0\.1 as on the machine of the command, found autrt .*: install"),
        (replace(terms, model=changed), "expected the model .* as on the machine of the command, found"),
        (replace(terms, model=tmp_path / "nothing"), "no model"),
        (replace(terms, sample=tmp_path / "elsewhere.mp4"), r"found no .*elsewhere\.mp4: mount the videos"),
    ]
    for made, said in cases:
        found = look(made)
        assert isinstance(found, AutrtError)
        assert found.exit_code == 2
        with pytest.raises(UsageError, match=said):
            raise found


def test_node_that_does_not_share_the_output_folder_says_so(terms, tmp_path):
    problem = NodeProcess(terms, tmp_path / ".autrt-run-elsewhere", 1, 1.0).open()
    assert "give --out a folder that all nodes share" in str(problem)


def test_process_writes_by_its_permit_alone(terms, video, run):
    process = NodeProcess(terms, run, 1, 0.0)
    assert process.open() is None
    target = results_path(terms.job.out, video.relative)

    withdrawn = permit(target, run)
    withdrawn.unlink()
    *_, zombie = process.do(video, withdrawn)
    assert isinstance(zombie, ResultsError)
    assert not target.exists()

    *reports, done = process.do(video, permit(target, run))
    assert isinstance(done, Outcome)
    assert (done.status, done.frames) == ("ok", 5)
    assert all(isinstance(report, VideoProgress) for report in reports)
    assert target.exists()

    before = target.stat()
    stopped = permit(target, run)
    process.stop()
    *_, end = process.do(video, stopped)
    assert type(end).__name__ == "StoppedError"
    assert target.stat() == before
