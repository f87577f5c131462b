"""What installs autrt elsewhere: images, compose, conda. They agree with pyproject.toml and the commands."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from packaging.requirements import Requirement

from autrt import __version__
from autrt.cli import COMMANDS, EXTRAS
from autrt.cli.doctor import PURPOSES
from autrt.download.fetch import FILES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]
IMAGES = ("Dockerfile", "Dockerfile.cuda")
CONDA_NAMES = {"opencv-python-headless": "py-opencv"}
yaml: Any = import_module("yaml")


def instructions(image: str) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / image).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def arguments(image: str) -> dict[str, str]:
    return dict(rest.split("=", 1) for word, rest in instructions(image) if word == "ARG")


def parse(command: list[str]) -> None:
    """Let click read a command line, and run nothing."""
    found: click.Command = import_module(f"autrt.cli.{command[0]}").command
    found.make_context(command[0], command[1:])


@pytest.mark.parametrize("image", IMAGES)
def test_image_copies_what_dockerignore_lets_in(image):
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    copied = [rest for word, rest in instructions(image) if word == "COPY" and "--from" not in rest]
    assert copied
    for path in (name for rest in copied for name in rest.split()[:-1]):
        assert (ROOT / path).exists(), path
        assert Path(path).parts[0] in let_in


@pytest.mark.parametrize("image", IMAGES)
def test_image_installs_extras_and_fetches_known_files(image):
    chosen = arguments(image)
    installs = [rest for word, rest in instructions(image) if word == "RUN" and "pip install" in rest]
    assert [rest.split()[-1] for rest in installs] == ['".[${EXTRAS}]"']
    requirement = Requirement(f"autrt[{chosen['EXTRAS']}]")
    assert requirement.extras <= set(OPTIONAL)
    assert set(chosen["FETCH"].split()) <= set(FILES)
    assert ("ENTRYPOINT", '["autrt"]') in instructions(image)
    users = [rest for word, rest in instructions(image) if word == "USER"]
    assert users == ["autrt"], "nothing runs as root"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_everything_that_the_wheel_is_built_of(image):
    whole = " ".join(rest for word, rest in instructions(image) if word == "COPY")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    tops = {Path(p).parts[0] for p in build["targets"]["wheel"]["packages"]}
    assert {*tops, PROJECT["readme"], *PROJECT["license-files"]} <= set(whole.split())


def test_compose_runs_commands_of_ours_in_images_of_ours(tmp_path):
    found = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert set(found["services"]) == {"infer", "infer-gpu"}
    for service in found["services"].values():
        build = service["build"]
        image = build if isinstance(build, str) else build["dockerfile"]
        assert (ROOT / ("Dockerfile" if image == "." else image)).is_file()
        mounted = {volume.rsplit(":/", 1)[1].split(":")[0] for volume in service["volumes"]}
        paths = [word[1:] for word in service["command"] if word.startswith("/")]
        assert set(paths) <= mounted
        parse(service["command"])


def test_compose_is_told_from_a_command_that_we_do_not_have():
    with pytest.raises(click.UsageError):
        parse(["infer", "--videos", "/videos", "--out", "/results", "--cuda"])


def test_the_conda_recipe_needs_what_the_wheel_needs():
    recipe = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text())
    run = {re.split(r"[ <>=]", line)[0] for line in recipe["requirements"]["run"]} - {"__linux", "python"}
    ours = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert run == {CONDA_NAMES.get(name, name) for name in ours}
    assert recipe["context"]["version"] == __version__
    assert recipe["about"]["license"] == PROJECT["license"]
    [entry] = recipe["build"]["python"]["entry_points"]
    assert entry == f"autrt = {PROJECT['scripts']['autrt']}"


def test_slim_removes_what_is_never_loaded(tmp_path):
    libs = tmp_path / "venv/lib/python3.12/site-packages/openvino/libs"
    libs.mkdir(parents=True)
    names = ["libopenvino_intel_gpu_plugin.so", "libopenvino_paddle_frontend.so.2641", "cache.json"]
    kept = ["libopenvino_intel_cpu_plugin.so", "libopenvino_onnx_frontend.so.2641", "libopenvino.so.2641"]
    for name in names + kept:
        (libs / name).write_text("x")
    subprocess.run([ROOT / "packaging/slim", tmp_path / "venv"], check=True, capture_output=True)
    assert sorted(p.name for p in libs.iterdir()) == sorted(kept)
    done = subprocess.run([ROOT / "packaging/slim", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected a virtual environment" in done.stderr


def closure(extra: str) -> set[str]:
    """Names that an extra installs, through other extras of ours too."""
    names: set[str] = set()
    for line in OPTIONAL[extra]:
        requirement = Requirement(line)
        if requirement.name == "autrt":
            names.update(*(closure(other) for other in requirement.extras))
        else:
            names.add(requirement.name)
    return names


NVIDIA = {"nvidia-dali-cuda130", "tensorrt", "torch-tensorrt", "tensorrt-rtx"}


def test_nvidias_packages_come_with_the_extras_of_gpus_alone():
    for extra in ("train", "openvino", "ort", "tables"):
        assert not closure(extra) & NVIDIA, extra
    assert not {Requirement(line).name for line in PROJECT["dependencies"]} & NVIDIA
    assert closure("train-gpu") == closure("train") | {"nvidia-dali-cuda130"}
    assert closure("gpu") >= {"nvidia-dali-cuda130", "tensorrt", "torch-tensorrt"}


def test_advice_names_extras_that_exist_and_bring_the_package():
    assert PURPOSES.keys() <= {name for extra in OPTIONAL for name in closure(extra)}
    distributions = {
        "sklearn": "scikit-learn",
        "nvidia": "nvidia-dali-cuda130",
        "torch_tensorrt": "torch-tensorrt",
        "tensorrt_rtx": "tensorrt-rtx",
    }
    for module, extra in EXTRAS.items():
        assert distributions.get(module, module) in closure(extra), module


def test_the_page_on_installing_names_every_extra_for_users():
    page = (ROOT / "docs/install.md").read_text()
    assert {name for name in OPTIONAL if f"| `{name}` |" not in page} == {"dev", "docs"}


def test_distribution_takes_its_version_from_the_package():
    line = [sys.executable, "-m", "hatchling", "version"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_the_metadata_say_for_whom_it_is():
    classifiers = PROJECT["classifiers"]
    assert "Programming Language :: Python :: 3 :: Only" in classifiers
    assert f"Programming Language :: Python :: {PROJECT['requires-python'].removeprefix('>=')}" in classifiers
    assert set(COMMANDS) >= {"infer", "doctor"}
