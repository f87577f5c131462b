"""The repository's own files: citation, workflow, templates, the task runner and the site's menu."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import PAGES, ROOT

yaml: Any = import_module("yaml")
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
FORMS = [p for p in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if p.name != "config.yml"]


def steps() -> list[dict[str, Any]]:
    return [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def assert_runnable(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK), script


def test_citation_names_the_tool_and_the_paper():
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert "version" not in found, "autrt/__init__.py states it"
    [paper] = found["references"]
    assert paper["title"] == "Facial Action Unit Recognition With Multi-models Ensembling"
    assert len(paper["authors"]) == 6


def test_workflow_runs_scripts_that_exist():
    scripts = [step["run"].split()[0] for step in steps() if "run" in step]
    assert sorted(scripts) == [".ci/run", "scripts/test-versions"]
    for script in scripts:
        assert_runnable(script)


def test_workflow_covers_the_supported_pythons():
    for job in WORKFLOW["jobs"].values():
        assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert WORKFLOW["jobs"]["versions"]["strategy"]["matrix"]["kind"] == ["oldest", "newest"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_issue_form_has_named_fields(form: Path):
    found = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= found.keys()
    assert all(field["id"] and field["attributes"]["label"] for field in found["body"])


def test_nox_sessions_run_scripts_that_exist():
    scripts = re.findall(r'session\.run\("([^"]+)"', (ROOT / "noxfile.py").read_text())
    assert {"scripts/setup", "scripts/test", "scripts/lint", "scripts/docs", ".ci/run"} <= set(scripts)
    for script in scripts:
        assert_runnable(script)


def test_menu_names_every_page():
    named = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert {Path(page).name for page in PAGES if page.startswith("docs/")} <= named
