"""Commands that read results in a bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import autrt
from autrt.cli import group
from autrt.run.manifest import Manifest
from tests.support.results import results_file

pytest.importorskip("moto")
pytest.importorskip("s3fs")
pytest.importorskip("flask")
from tests.support.s3_server import BUCKET, S3Server, faulty

RESULTS = f"s3://{BUCKET}/results"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A bucket with two results files and the manifest of their run."""
    out = tmp_path / "out"
    for seed, name in enumerate(("a/one.mp4", "two.mp4")):
        results_file(out / f"{name}.h5", (1, 0, 2), seed)
    with Manifest(out, token="abc") as manifest:
        manifest.begin_run(2)
        for name in ("a/one.mp4", "two.mp4"):
            manifest.record(name, "ok", frames=3, video_s=0.1)
    server = S3Server()
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    upload(server, out, "results")
    yield server
    server.close()


def upload(server: S3Server, folder: Path, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            server.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())


def run(*arguments: str):
    return CliRunner().invoke(group, list(arguments))


def test_verify_copies_only_what_changed_and_sees_damage(server):
    with faulty(server, 0.2):
        assert "2 files checked: 2 sound" in run("verify", RESULTS).output
    server.faults.requests.clear()
    assert run("verify", RESULTS).exit_code == 0
    assert [method for method, _, _ in server.faults.requests] == ["GET"], "one listing"

    content = server.read("results/two.mp4.h5")
    server.put("results/two.mp4.h5", content[:-700] + bytes(700))
    damaged = run("verify", RESULTS)
    assert damaged.exit_code == 3
    assert "1 sound, 1 bad" in damaged.output
    server.client.delete_object(Bucket=BUCKET, Key="results/two.mp4.h5")
    assert "1 files checked: 1 sound" in run("verify", RESULTS).output
    assert "1 files checked: 1 sound" in run("verify", f"{RESULTS}/a/one.mp4.h5").output
    assert run("verify", f"{RESULTS}/none").exit_code != 0


def test_status_reads_manifests_alone_and_goes_on_where_it_stopped(server):
    status = json.loads(run("status", RESULTS, "--json").output)
    assert (status["ok"], status["frames"], status["left"], status["runs"]) == (2, 6, 0, 0)
    assert not any(path.endswith(".h5") for _, path, _ in server.faults.requests[5:] if _ != "PUT")


def test_a_data_set_is_made_of_results_in_a_bucket_and_read_from_one(server, tmp_path):
    pytest.importorskip("polars")
    made = tmp_path / "dataset"
    first = run("dataset", RESULTS, "--out", str(made), "--jobs", "1")
    assert first.exit_code == 0, first.output
    assert (
        "0 new results, 0 changed, 0 gone, 2 as before" in run("dataset", RESULTS, "--out", str(made)).output
    )
    upload(server, made, "dataset")
    found = autrt.open_dataset(f"s3://{BUCKET}/dataset")
    assert found.videos.count_rows() == 2
    assert found.faces.to_table().equals(autrt.open_dataset(made).faces.to_table())


def test_export_needs_a_place_on_this_machine(server, tmp_path):
    refused = run("export", RESULTS)
    assert refused.exit_code == 2
    assert "expected --out" in refused.output
    assert run("export", RESULTS, "--out", str(tmp_path / "tables") + "/").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "tables").rglob("*.csv")) == [
        "one.mp4.csv",
        "two.mp4.csv",
    ]
