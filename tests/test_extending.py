"""The worked examples of docs/extending.md, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import autrt
from autrt.results.verification.verify import verify
from tests.support.fetched import fetched

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"


def sections() -> dict[str, str]:
    """The page's text by its headings."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


class Example:
    """One section of the page: its files in a folder, its packages installed there, its commands run there."""

    def __init__(self, heading: str, folder: Path) -> None:
        self.folder = folder
        text = sections()[heading]
        for name, content in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', text, re.DOTALL):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        self.commands = [
            line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
        ]
        self.packages = sorted(path.parent for path in folder.glob("*/pyproject.toml"))
        for package in self.packages:
            install(package)
        shutil.copy(fetched("clip-smile"), folder / "smile.mp4")
        (folder / "clips").mkdir()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, with the packages and this project on Python's path."""
        roots = [*self.packages, ROOT, ROOT / "train", ROOT / "bench"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    def run_commands(self) -> None:
        """Run the section's own commands."""
        for line in self.commands:
            program, *arguments = line.split()
            start = [sys.executable] if program == "python" else [sys.executable, "-m", program]
            self.run(*start, *arguments)


def install(package: Path) -> None:
    """Write what pip writes beside a package's modules, from its pyproject.toml."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = package / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, names in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def upgrade(package: Path, version: str) -> None:
    """Install another version of a package."""
    project = package / "pyproject.toml"
    project.write_text(re.sub('version = "[^"]*"', f'version = "{version}"', project.read_text()))
    for old in package.glob("*.dist-info"):
        shutil.rmtree(old)
    install(package)


@pytest.fixture(scope="module", autouse=True)
def detector() -> None:
    fetched("centerface")


def test_extending_decoder_reads_its_files_in_folders(tmp_path):
    example = Example("A decoder", tmp_path)
    example.run_commands()
    assert verify(tmp_path / "results" / "smile.npy.h5") == []
    with autrt.open_results(tmp_path / "results" / "smile.npy.h5") as results:
        assert results.header.video.codec == "npy"
        assert results.n_frames == results.n_faces == 72
    upgrade(tmp_path / "decoder", "1.1")
    changed = "1 finished video would be computed again.*npy: npy-decoder 1.0 → npy-decoder 1.1"
    with pytest.raises(AssertionError, match=f"(?s){changed}"):
        example.run_commands()


def test_extending_decoder_refuses_other_arrays(tmp_path):
    example = Example("A decoder", tmp_path)
    np.save(tmp_path / "clips" / "grey.npy", np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(AssertionError, match="expected uint8 of frames×height×width×3"):
        example.run(sys.executable, "-m", "autrt", "infer", "clips/grey.npy", "--out", "results")


def test_extending_engine_gives_the_results_of_the_packaged_one(tmp_path):
    example = Example("An engine", tmp_path)
    example.run_commands()
    usual = ("infer", "smile.mp4", "--out", "usual", "--engine", "onnxruntime")
    example.run(sys.executable, "-m", "autrt", *usual)
    found, expected = (tmp_path / name / "smile.mp4.h5" for name in ("results", "usual"))
    with autrt.open_results(found) as results, autrt.open_results(expected) as other:
        assert results.header.engine == "any-provider"
        assert results.header.settings["plugins.engines.any-provider"] == "any-provider 1.0"
        assert not any(name.startswith("plugins") for name in other.header.settings)
        np.testing.assert_allclose(results.faces["logit"], other.faces["logit"], atol=1e-3)


@pytest.fixture(scope="module")
def pose(tmp_path_factory: pytest.TempPathFactory) -> Example:
    example = Example("A new per-face output", tmp_path_factory.mktemp("pose"))
    example.run_commands()
    return example


def test_extending_output_reaches_the_file_with_its_spec(pose):
    path = pose.folder / "results" / "smile.mp4.h5"
    assert verify(path) == []
    with h5py.File(path) as file:
        column: Any = file["faces/head_pose"]
        assert column.shape == (len(file["faces/frame"]), 3)
        assert column.dtype == np.float32
        assert column.attrs["unit"] == b"deg"
        assert column.attrs["description"] == b"yaw, pitch and roll of the head"
        assert np.abs(column[:]).max() <= 90
        assert column[:].std() > 0


def test_extending_output_is_read_without_its_package(pose):
    path = pose.folder / "results" / "smile.mp4.h5"
    space: dict[str, Any] = {}
    code = (pose.folder / "read_pose.py").read_text().replace("results/smile.mp4.h5", str(path))
    exec(compile(code, "read_pose.py", "exec"), space)
    np.testing.assert_array_equal(space["table"]["head_pose_1"], space["pose"][:, 1])


def test_extending_output_is_exported_to_csv(pose):
    header, *lines = (pose.folder / "pose.csv").read_text().splitlines()
    assert header.split(",")[-4:] == ["score", "head_pose_0", "head_pose_1", "head_pose_2"]
    path = pose.folder / "results" / "smile.mp4.h5"
    with autrt.open_results(path) as results:
        told = np.array([line.split(",")[-3:] for line in lines], np.float64)
        np.testing.assert_allclose(told, results.faces["head_pose"], atol=1e-5)


def test_extending_output_leaves_action_units_alone(pose):
    pose.run(sys.executable, "-m", "autrt", "infer", "smile.mp4", "--out", "usual")
    found, expected = (pose.folder / name / "smile.mp4.h5" for name in ("results", "usual"))
    with autrt.open_results(found) as results, autrt.open_results(expected) as other:
        np.testing.assert_allclose(results.faces["logit"], other.faces["logit"], atol=1e-3)
        assert "head_pose" not in other.faces
        assert results.header.settings["outputs"] == ["head_pose"]
        versions = {
            name: value for name, value in results.header.settings.items() if name.startswith("plugins")
        }
        assert set(versions.values()) == {"pose-student 1.0"}
        assert {name.split(".")[1] for name in versions} == {"architectures", "columns"}
        assert "outputs" not in other.header.settings
