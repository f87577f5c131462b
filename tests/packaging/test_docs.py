"""The documentation's code: Python blocks run, commands parse, links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from autrt.cli import COMMANDS, group
from tests.support.media import Clip
from tests.support.pages import PAGES, ROOT, Block, blocks, commands
from tests.support.results import results_file

ALL = [block for page in PAGES for block in blocks(page)]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
README_LINES = [
    w[1:] for b in blocks("README.md") if b.language == "sh" for w in commands(b) if w[0] == "autrt"
]
READ_RESULTS = [line for line in README_LINES if line[0] in ("summary", "export", "verify")]
LINKED = (*PAGES, "CHANGELOG.md", "SECURITY.md", "train/RESULTS.md")


def name_of(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of, as the current one."""
    for path in ("results/interview.mp4.h5", "out/anna.mp4.h5"):
        (tmp_path / path).parent.mkdir()
        results_file(tmp_path / path, (1, 2, 0, 2) * 10)
    (tmp_path / "archive").mkdir()
    Clip().write(tmp_path / "archive/interview.mp4")
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(group, ["dataset", "results", "--out", "dataset"], catch_exceptions=False)
    return tmp_path


def command_of(name: str) -> click.Command:
    return import_module(f"autrt.cli.{name.replace('-', '_')}").command


def ours(words: list[str]) -> list[str] | None:
    """The words behind `autrt`, also within `torchrun … -m autrt …` and `docker run … autrt …`."""
    if words[0] == "autrt":
        return words[1:]
    if words[0] in ("torchrun", "docker"):
        places = [i for i, word in enumerate(words[:-1]) if word == "autrt" and words[i + 1] in COMMANDS]
        return words[places[0] + 1 :] if places else None
    return None


@pytest.mark.parametrize("block", ALL, ids=name_of)
def test_block_states_its_language(block: Block):
    assert block.language in ("python", "sh", "text", "toml", "json", "r")


@pytest.mark.parametrize("page", sorted({b.page for b in ALL if b.language == "python"}))
def test_python_blocks_run(page: str, place: Path):
    namespace: dict[str, Any] = {}
    for block in blocks(page):
        if block.language == "python":
            code = compile(
                "\n" * (block.line - 1) + block.text, page, "exec"
            )  # also of those that are not run
            if block.reason is None:
                exec(code, namespace)


@pytest.mark.parametrize("block", [b for b in ALL if b.language in ("toml", "json")], ids=name_of)
def test_data_blocks_parse(block: Block):
    assert {"toml": tomllib.loads, "json": json.loads}[block.language](block.text)


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], object]:
    """Lets click read a command line, whose files need not exist, and runs nothing."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")  # as a pod, for --shard auto
    monkeypatch.setenv("JOB_COMPLETIONS", "8")

    def parsed(arguments: list[str]) -> object:
        command = command_of(arguments[0])
        for parameter in command.params:
            if isinstance(parameter.type, click.Path):
                monkeypatch.setattr(parameter.type, "exists", False)
        return command.make_context(arguments[0], list(arguments[1:]))

    return parsed


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "sh"], ids=name_of)
def test_shell_block_parses(block: Block, parse: Callable[[list[str]], object]):
    for words in commands(block):
        arguments = ours(words)
        if arguments:
            assert arguments[0] in COMMANDS, words
            parse(arguments)
        elif words[0].startswith(("scripts/", ".ci/")):
            assert os.access(ROOT / words[0], os.X_OK), words
        for extras in re.findall(r"(?:autrt|\.)\[([\w,-]+)\]", " ".join(words)):
            assert set(extras.split(",")) <= set(EXTRAS), words


def test_parse_refuses_an_unknown_option(parse: Callable[[list[str]], object]):
    with pytest.raises(click.NoSuchOption):
        parse(["infer", "archive/", "--out", "results/", "--fast"])


@pytest.mark.parametrize("line", READ_RESULTS, ids=" ".join)
def test_readme_command_reads_results(line: list[str], place: Path):
    done = CliRunner().invoke(group, line, catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("page", PAGES)
def test_inline_commands_and_options_exist(page: str):
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for name, rest in re.findall(r"`autrt ([a-z][\w-]*)([^`]*)`", text):
        assert name in COMMANDS, name
        known = {option for p in command_of(name).params for option in (*p.opts, *p.secondary_opts)} | {
            "--help"
        }
        assert set(re.findall(r"(?<!\S)--[\w-]+", rest)) <= known, f"autrt {name}{rest}"


@pytest.mark.parametrize("page", LINKED)
def test_links_to_files_lead_somewhere(page: str):
    for target in re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", (ROOT / page).read_text()):
        made = target.startswith("gallery/")  # by scripts/docs
        assert made or ((ROOT / page).parent / target).exists(), target


ROOTS = ("", "autrt", "train", "train/autrt_train", "bench", "bench/autrt_bench")


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_python_files_that_a_page_names_exist(page: str):
    text = re.sub(r"^```\w+ title=.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`((?:[\w.]+/)+\w+\.py)`", text))
    assert [name for name in sorted(named) if not any((ROOT / root / name).exists() for root in ROOTS)] == []
