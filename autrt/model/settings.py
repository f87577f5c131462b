"""Reading a network's configuration from a mapping, as model folders and recipes have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from autrt.errors import UsageError

SettingsT = TypeVar("SettingsT")


def read_settings(kind: type[SettingsT], values: Mapping[str, Any]) -> SettingsT:
    """Return an instance of `kind` with checked values; fields that are left out have their defaults.

    Args:
        kind: a dataclass.
        values: field name → value, with lists for tuples as in JSON and TOML. `dataclasses.asdict` is the inverse.

    Raises:
        UsageError: an unknown field, or a value of the wrong type or range.
    """
    known = [field.name for field in fields(kind)]  # pyright: ignore[reportArgumentType]
    for name in values:
        if name not in known:
            raise UsageError(f"{kind.__name__} has no setting {name!r}; it has {', '.join(known)}.")
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{kind.__name__}.{where}: {first['msg']}; found {first['input']!r}.") from error


def require(condition: bool, owner: object, name: str, expected: str) -> None:
    """Raise unless `condition` holds.

    Args:
        condition: whether the value is valid.
        owner: the configuration.
        name: the field's name.
        expected: description of valid values.

    Raises:
        UsageError: `condition` is False; the message has the field, what was expected and what was found.
    """
    if not condition:
        raise UsageError(
            f"{type(owner).__name__}.{name}: expected {expected}, found {getattr(owner, name)!r}."
        )


def require_outputs(owner: object, name: str) -> None:
    """Raise unless a field holds at least one output name and no name twice.

    Raises:
        UsageError: as `require`.
    """
    names: tuple[str, ...] = getattr(owner, name)
    good = len(names) > 0 and all(names) and len(set(names)) == len(names)
    require(good, owner, name, "one or more different names")
