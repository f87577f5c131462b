"""The blocks of code in the documentation's pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
)

_BLOCK: Final = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+) -->\n)?"
    r'^```(?P<language>\w*)(?P<title> title="[^"]+")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_ENDS: Final = ("&&", "|", ";", "<", ">")


class Block(NamedTuple):
    """One fenced block."""

    page: str
    line: int
    """Of its first line of code, counted from 1."""
    language: str
    text: str
    reason: str | None
    """Why it is not run, where a comment before it says so."""


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [
        Block(page, text[: m.start("text")].count("\n") + 1, m["language"], m["text"], _reason(m))
        for m in _BLOCK.finditer(text)
    ]


def _reason(found: re.Match[str]) -> str | None:
    """Return why a block is not run; one with a title is a file, which tests/test_extending.py writes and runs."""
    return found["reason"] or ("a file" if found["title"] else None)


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each simple command of a shell block, without comments and variables before it."""
    for line in block.text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _ENDS:
                words.append(word)
                continue
            while words and re.fullmatch(r"\w+=.*", words[0]):
                del words[0]
            if words:
                yield words
            words = []
