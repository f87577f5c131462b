"""The code of docs/api.md runs, from top to bottom."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.fetched import fetched
from tests.support.media import Clip

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    fetched("centerface")
    (tmp_path / "archive").mkdir()
    Clip(frames=30, width=160, height=120).write(tmp_path / "archive" / "interview.mp4")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    codes = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for code in codes:
        exec(compile(code, PAGE.name, "exec"), namespace)
    assert len(codes) == 7
    assert "1 videos, 30 frames; failed: {}" in capsys.readouterr().out


def test_page_names_what_there_is():
    names = re.findall(r"^::: ([\w.]+)$", PAGE.read_text(), re.MULTILINE)
    assert len(names) > 10
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute) or import_module(name), name
