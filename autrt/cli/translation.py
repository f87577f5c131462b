"""Translation of a command line with other tools' options into this program's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from autrt.cli.other_tools import ARGUMENT, OPTIONS, OUT, Replacement

PLACEHOLDER = "DIR"
"""Suggested value of a required option that was left out."""


@dataclass(slots=True)
class Reading:
    """A command's arguments, as far as they could be translated."""

    words: list[str] = field(default_factory=list[str])
    """The arguments in this program's words."""
    notes: dict[str, str] = field(default_factory=dict[str, str])
    """Typed option → a note about it."""
    unknown: list[str] = field(default_factory=list[str])
    """Options that could not be translated."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """The options and arguments of a command."""

    name: str
    options: dict[str, click.Option]
    arguments: frozenset[str]

    def replacement(self, typed: str) -> Replacement | None:
        """Return the first replacement that fits for an option, if there is one."""
        return next(filter(self._fits, OPTIONS.get(_plain(typed), ())), None)

    def _fits(self, replacement: Replacement) -> bool:
        if replacement.commands and self.name not in replacement.commands:
            return False
        if replacement.becomes is None:
            return bool(replacement.commands or self.arguments)
        if replacement.becomes == ARGUMENT:
            return bool(self.arguments - {"out"})
        if replacement.becomes == OUT:
            return "out" in self.arguments
        return replacement.becomes.split()[0] in self.options


def read(name: str, command: click.Command, args: Sequence[str]) -> Reading:
    """Translate the arguments of the command `name`."""
    reading, left = Reading(), list(args)
    options = {opt: p for p in command.params if isinstance(p, click.Option) for opt in p.opts}
    options |= dict.fromkeys(("-h", "--help"), click.Option(["--help"], is_flag=True))
    arguments = frozenset(p.name or "" for p in command.params if isinstance(p, click.Argument))
    terms = _Terms(name, options, arguments)
    while left:
        word = left.pop(0)
        opt, attached, value = word.partition("=")
        plain = f"--{_plain(opt)}"
        if word == "--":
            reading.words += [word, *left]
            break
        if not word.startswith("-") or word == "-":
            reading.words.append(word)
        elif opt in options:
            count = 0 if attached or options[opt].is_flag else options[opt].nargs
            reading.words += [word, *left[:count]]
            del left[:count]
        elif plain in options:  # one dash, or underscores
            left.insert(0, plain + attached + value)
            reading.notes[opt] = f"it is written {plain}"
        else:
            _translate(word, left, terms, reading)
    reading.words += _missing(options, reading.words)
    return reading


def _translate(word: str, left: list[str], terms: _Terms, reading: Reading) -> None:
    """Translate one option that is not this program's, and take its value from the arguments that are left."""
    name, attached, value = word.partition("=")
    replacement = terms.replacement(name)
    if replacement is None and not word.startswith("--"):  # -j4
        name, attached, value = word[:2], word[2:], word[2:]
        replacement = terms.replacement(name)
    if replacement is None:
        reading.unknown.append(word)
        return
    reading.notes[name] = replacement.note
    if not attached and _takes(replacement, left):
        value = left.pop(0)
    reading.words += _instead(replacement, value)


def _takes(replacement: Replacement, left: Sequence[str]) -> bool:
    """Return whether the next word is the option's value; a device's is a number."""
    if not replacement.takes_value or not left or left[0].startswith("-"):
        return False
    return left[0].isdecimal() or not (replacement.becomes or "").startswith("--device cuda")


def _instead(replacement: Replacement, value: str) -> Iterator[str]:
    if replacement.becomes is None:
        return
    if replacement.becomes in (ARGUMENT, OUT):
        yield value or replacement.becomes
        return
    for part in replacement.becomes.split():
        yield part.format(value) if value else part.removesuffix(":{}").replace("{}", "VALUE")
    if replacement.takes_value and "{}" not in replacement.becomes and " " not in replacement.becomes:
        yield value or "VALUE"


def _missing(options: dict[str, click.Option], words: Sequence[str]) -> list[str]:
    """Return the required options that were left out, each with a placeholder."""
    given = {word.partition("=")[0] for word in words}
    needed = [o.opts[-1] for o in options.values() if o.required and not given.intersection(o.opts)]
    return [word for name in needed for word in (name, PLACEHOLDER)]


def _plain(name: str) -> str:
    """Normalise an option's name: `-out_dir` becomes `out-dir`; the case of a single letter counts."""
    plain = name.lstrip("-").replace("_", "-")
    return plain if len(plain) == 1 else plain.lower()
