"""Parts by name: loaded when asked for, with messages that help."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autrt.errors import MissingDependencyError, UsageError
from autrt.registry import Registry


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes an importable module of some source."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(source: str) -> str:
        name = f"registry_part_{len(made)}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(source)
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_a_part_is_imported_when_it_is_loaded_and_not_before(module) -> None:
    name = module("answer = 42")
    registry = Registry("thing", {"a": f"{name}:answer"})
    assert name not in sys.modules
    assert registry.load("a") == 42
    assert list(registry) == ["a"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    registry = Registry("engine", {"fast": "x:y", "exact": "x:z"})
    with pytest.raises(UsageError, match=r"no engine is called 'fats'; known: fast, exact"):
        registry.load("fats")


@pytest.mark.parametrize(
    ("extras", "advice"),
    [
        ({"no_such_package_here": "ort"}, r"autrt\[ort\]"),
        ({"no_such_package_here": "ort", "a": "gpu"}, r"autrt\[gpu\]' on a machine with an NVIDIA GPU"),
        ({}, "pip install no_such_package_here"),
    ],
)
def test_a_missing_package_says_what_brings_it(module, extras, advice) -> None:
    name = module("import no_such_package_here.deeper")
    registry = Registry("engine", {"a": f"{name}:x"}, extras)
    with pytest.raises(MissingDependencyError, match=advice) as caught:
        registry.load("a")
    assert "'a' needs the package no_such_package_here" in str(caught.value)


def test_a_missing_module_of_our_own_is_a_bug_and_stays_one(module) -> None:
    for where in (f"{module('import autrt.no_such_module')}:x", "autrt.no_such_module:x"):
        with pytest.raises(ModuleNotFoundError) as caught:
            Registry("engine", {"a": where}).load("a")
        assert not isinstance(caught.value, UsageError)
