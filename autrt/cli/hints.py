"""Hints for options and commands of other tools: their names here, and the whole command line corrected."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import PurePath

import click

from autrt.cli.other_tools import COMMANDS
from autrt.cli.translation import Reading, read


def option_hint(
    error: click.NoSuchOption, typed: Sequence[str], load: Callable[[str], click.Command | None]
) -> click.ClickException:
    """Return the error with the option's name here, and the whole command line corrected.

    Args:
        error: raised by click.
        typed: the arguments of the program.
        load: returns the command of a name.
    """
    if error.ctx is None:
        return error
    path = error.ctx.command_path.split()[1:]
    args = _below(path, typed)
    command = error.ctx.command
    before: dict[str, str] = {}
    if not path:  # no command yet
        if args[0].strip("-").lower() in ("v", "version"):
            return click.UsageError(f"{error.message}\nTry: autrt --version", error.ctx)
        name = next((word for word in args if word[:1] != "-" and load(word)), "infer")
        if name in args:
            args.remove(name)
            before = {error.option_name: f"options stand behind the command, {name}"}
        path, command = [name], load(name) or command
    reading = read(path[-1], command, args)
    reading.notes = before | reading.notes
    if not reading.notes:
        return error
    lines = [f"No such option {name!r}: {note}." for name, note in reading.notes.items()]
    lines += [f"No such option {name!r}." for name in reading.unknown]
    if not reading.unknown:
        lines.append(f"Try: {_line(path, reading)}")
    return click.UsageError("\n".join(lines), error.ctx)


def command_hint(
    ctx: click.Context,
    typed: Sequence[str],
    known: Sequence[str],
    load: Callable[[str], click.Command | None],
) -> click.UsageError:
    """Return the error for an unknown command, with its name here.

    Args:
        ctx: of the program.
        typed: its arguments, from the unknown command on.
        known: names of the commands.
        load: returns the command of a name.
    """
    name, args = typed[0], list(typed[1:])
    said = f"No such command {name!r}."
    if name in ("help", "version"):
        words = ["--version"] if name == "version" else [*(a for a in args[:1] if a in known), "--help"]
        return click.UsageError(f"{said}\nTry: {shlex.join(['autrt', *words])}", ctx)
    meant = COMMANDS.get(name)
    if meant is None and (os.path.lexists(name) or PurePath(name).suffix):
        meant, args = "infer", [name, *args]
        said += " Videos are given to `autrt infer`."
    command = load(meant) if meant else None
    if meant is None or command is None:
        near = get_close_matches(name, known)
        return click.UsageError(said + (f" Did you mean {' or '.join(near)}?" if near else ""), ctx)
    reading = read(meant, command, args)
    notes = "".join(f"\n{option}: {note}." for option, note in reading.notes.items())
    line = f"autrt {meant} --help" if reading.unknown else _line([meant], reading)
    return click.UsageError(f"{said}{notes}\nTry: {line}", ctx)


def _below(path: Sequence[str], typed: Sequence[str]) -> list[str]:
    """Return the arguments behind the names of a command, some of which a group may have added."""
    left = list(typed)
    for word in path:
        if left and left[0] == word:
            del left[0]
    return left


def _line(path: Sequence[str], reading: Reading) -> str:
    return shlex.join(["autrt", *path, *reading.words])
