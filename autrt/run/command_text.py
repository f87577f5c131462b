"""The command that made results, as a text that can be run again: a command line, or a call of `autrt.infer`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from autrt.storage.remote_url import Location

CALL: Final = "autrt.infer("
_OVERWRITE: Final = ", overwrite=True"


def call_text(inputs: Sequence[Location], out: Location, options: Mapping[str, Any]) -> str:
    """Return a call of `autrt.infer` as text.

    Args:
        inputs: files, folders and patterns; of URLs, what is no secret.
        out: folder of the results.
        options: keyword arguments that differ from their defaults.
    """
    named = [str(path) for path in inputs]
    first = repr(named[0] if len(named) == 1 else named)
    return CALL + ", ".join([first, repr(str(out)), *(f"{k}={v!r}" for k, v in options.items())]) + ")"


def is_call(command: str) -> bool:
    """Return whether a command is a call of `autrt.infer`, not a command line."""
    return command.startswith(CALL)


def resume_command(command: str, *, without: Sequence[str] = ()) -> str:
    """Return the command that does the rest: the same, but finished videos are never done again.

    Args:
        command: as it was typed or called.
        without: options of a command line, each with a value, to leave out too.
    """
    if is_call(command):
        return command.replace(_OVERWRITE, "")
    words: list[str] = []
    left = iter(shlex.split(command))
    for word in left:
        if word in without:
            next(left, None)
        elif word != "--overwrite" and word.partition("=")[0] not in without:
            words.append(word)
    return shlex.join(words)


def fingerprint_advice(command: str) -> str:
    """Return the option that has the first and last MiB of videos compared alone."""
    return "trust_fingerprint=True" if is_call(command) else "--trust-fingerprint"


def overwrite_advice(command: str, out: str) -> str:
    """Return the advice that makes a command compute finished videos again.

    Args:
        command: as it was typed or called.
        out: folder of the results, for commands without such an option.
    """
    if is_call(command):
        return "overwrite=True"
    return "--overwrite" if command.startswith("autrt infer") else f"delete {out}"
