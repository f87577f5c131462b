"""Checks of options' types, shared by the command line and the Python API; each names the option in its error."""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, get_args

import numpy as np

from autrt.errors import UsageError
from autrt.settings import Quality, StillFiles
from autrt.storage.local_path import checked_path_text, local_path

_T = TypeVar("_T")


def found_text(value: Any) -> str:
    """Return a value, and its type unless it is text, for an error."""
    return repr(value) if isinstance(value, str) else f"{reprlib.repr(value)} ({type(value).__name__})"


def checked_option(name: str, value: Any) -> Any:
    """Return an option as a plain Python value; options without a check here are returned as they are.

    Args:
        name: a field of `InferOptions`.
        value: as the user gave it; NumPy's integers and booleans are accepted.

    Raises:
        UsageError: the value is of a wrong type, or out of range.
    """
    return CHECKS[name](name, value) if name in CHECKS else value


def named_option(name: str, parse: Callable[[Any], _T], value: Any) -> _T:
    """Return a parsed option; an error names the option.

    Raises:
        UsageError: `parse` refuses the value.
    """
    try:
        return parse(value)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error


def checked_function(name: str, value: Any) -> Any:
    """Return a function, or None.

    Raises:
        UsageError: the value can't be called.
    """
    if value is not None and not callable(value):
        raise UsageError(f"{name}: expected a function, found {found_text(value)}")
    return value


def _count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise UsageError(f"{name}: expected a whole number from 1, found {found_text(value)}")
    return number


def _needed_count(name: str, value: Any) -> int:
    number = _count(name, value)
    if number is None:
        raise UsageError(f"{name}: expected a whole number from 1, found None")
    return number


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"{name}: expected True or False, found {found_text(value)}")
    return bool(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name}: expected text, found {found_text(value)}")
    return str(value)


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value)


def _one_of(choices: Any) -> Callable[[str, Any], str]:
    """Return the check of an option that is one of a `Literal`'s texts."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in get_args(choices):
            raise UsageError(
                f"{name}: expected one of {', '.join(get_args(choices))}, found {found_text(value)}"
            )
        return value

    return check


def _model(name: str, value: Any) -> str | None:
    return None if value is None else local_path(checked_path_text(name, value))


CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "model": _model,
    "engine": _text,
    "device": _text,
    "precision": _text,
    "quality": _one_of(Quality),
    "detect_every": _count,
    "max_faces": _count,
    "max_pixels": _needed_count,
    "keep_members": _flag,
    "features": _flag,
    "quality_weighted": _flag,
    "aligned": _flag,
    "template": _optional_text,
    "stills": _one_of(StillFiles),
    "workers": _count,
    "ray": _optional_text,
    "overwrite": _flag,
    "trust_fingerprint": _flag,
    "offline": _flag,
}
"""Option → the function that checks it."""
