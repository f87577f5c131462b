"""Parts of optional extras: imported when asked for, with advice where a package is missing."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from autrt.errors import MissingDependencyError, UsageError
from autrt.extras import EXTRAS, importing, load_part


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes an importable module of some source."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(source: str) -> str:
        name = f"lazy_part_{len(made)}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(source)
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_load_part_imports_that_part_alone(module) -> None:
    name, other = module("answer = 42"), module("raise RuntimeError")
    assert load_part("thing", "a", {"a": f"{name}:answer", "b": f"{other}:x"}) == 42
    assert other not in sys.modules


def test_load_part_of_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no engine is called 'fats'; known: fast, exact"):
        load_part("engine", "fats", {"fast": "x:y", "exact": "x:z"})


@pytest.mark.parametrize(
    ("package", "extra", "advice"),
    [
        ("pyarrow", None, r"pip install 'autrt\[tables\]'$"),
        ("pyarrow", "gpu", r"pip install 'autrt\[gpu\]' on a machine with an NVIDIA GPU$"),
        ("no_such_package_here", None, "pip install no_such_package_here$"),
    ],
)
def test_load_part_names_the_extra_of_a_missing_package(module, monkeypatch, package, extra, advice) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    name = module(f"import {package}.deeper")
    with pytest.raises(MissingDependencyError, match=advice) as caught:
        load_part("engine", "a", {"a": f"{name}:x"}, extra)
    assert f"the engine 'a' needs the package {package}" in str(caught.value)


def test_importing_leaves_a_missing_module_of_our_own_a_bug() -> None:
    for name in ("autrt.no_such_module", "autrt_train.no_such_module"):
        with pytest.raises(ModuleNotFoundError), importing("this"):
            import_module(name)


def test_extras_are_those_of_pyproject_and_bring_their_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    stated = project["optional-dependencies"]
    distribution = {"sklearn": "scikit-learn", "nvidia": "nvidia-dali", "tensorrt_rtx": "tensorrt-rtx"}
    for package, extra in EXTRAS.items():
        wanted = distribution.get(package, package.replace("_", "-"))
        assert any(line.startswith(wanted) for line in stated[extra]), package
