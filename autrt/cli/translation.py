"""A command line in other tools' words, put into this program's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from autrt.cli.habits import ARGUMENT, OPTIONS, OUT, Habit

PLACEHOLDER = "DIR"
"""What a line suggests for a required option that was left out."""


@dataclass(slots=True)
class Reading:
    """A command's arguments, read as far as they can be."""

    words: list[str] = field(default_factory=list[str])
    """The same in this program's words."""
    notes: dict[str, str] = field(default_factory=dict[str, str])
    """What was typed → what to know about it."""
    unknown: list[str] = field(default_factory=list[str])
    """Options that nobody knows."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a command takes."""

    name: str
    options: dict[str, click.Option]
    arguments: frozenset[str]

    def habit(self, typed: str) -> Habit | None:
        """What this command has instead of an option; the first that fits."""
        return next(filter(self._fits, OPTIONS.get(_plain(typed), ())), None)

    def _fits(self, habit: Habit) -> bool:
        if habit.commands and self.name not in habit.commands:
            return False
        if habit.becomes is None:
            return bool(habit.commands or self.arguments)
        if habit.becomes == ARGUMENT:
            return bool(self.arguments - {"out"})
        if habit.becomes == OUT:
            return "out" in self.arguments
        return habit.becomes.split()[0] in self.options


def read(name: str, command: click.Command, args: Sequence[str]) -> Reading:
    """Read arguments of the command `name`, with other tools' options put into this program's words."""
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
    """Read one option that is not this program's, and take its value from what is left."""
    name, attached, value = word.partition("=")
    habit = terms.habit(name)
    if habit is None and not word.startswith("--"):  # -j4
        name, attached, value = word[:2], word[2:], word[2:]
        habit = terms.habit(name)
    if habit is None:
        reading.unknown.append(word)
        return
    reading.notes[name] = habit.note
    if not attached and _takes(habit, left):
        value = left.pop(0)
    reading.words += _instead(habit, value)


def _takes(habit: Habit, left: Sequence[str]) -> bool:
    """Whether the next word is the habit's value; a device's is a number."""
    if not habit.takes_value or not left or left[0].startswith("-"):
        return False
    return left[0].isdecimal() or not (habit.becomes or "").startswith("--device cuda")


def _instead(habit: Habit, value: str) -> Iterator[str]:
    if habit.becomes is None:
        return
    if habit.becomes in (ARGUMENT, OUT):
        yield value or habit.becomes
        return
    for part in habit.becomes.split():
        yield part.format(value) if value else part.removesuffix(":{}").replace("{}", "VALUE")
    if habit.takes_value and "{}" not in habit.becomes and " " not in habit.becomes:
        yield value or "VALUE"


def _missing(options: dict[str, click.Option], words: Sequence[str]) -> list[str]:
    """Required options that were left out, with something to fill in."""
    given = {word.partition("=")[0] for word in words}
    needed = [o.opts[-1] for o in options.values() if o.required and not given.intersection(o.opts)]
    return [word for name in needed for word in (name, PLACEHOLDER)]


def _plain(name: str) -> str:
    """`-out_dir` → `out-dir`; the case of a single letter counts."""
    plain = name.lstrip("-").replace("_", "-")
    return plain if len(plain) == 1 else plain.lower()
