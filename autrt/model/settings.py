"""A network's configuration dataclass out of a plain mapping, as model folders and recipes hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from autrt.errors import UsageError

SettingsT = TypeVar("SettingsT")


def read_settings(kind: type[SettingsT], values: Mapping[str, Any]) -> SettingsT:
    """Check `values` against the fields of `kind` and make one; what is left out keeps its default.

    Args:
        kind: a dataclass.
        values: field name → value; lists stand for tuples, as JSON and TOML have them. The inverse is
            `dataclasses.asdict`.

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
    """Refuse a configuration unless `condition` holds.

    Args:
        condition: whether the value is good.
        owner: the configuration that has it.
        name: its field.
        expected: what would be good, in words.

    Raises:
        UsageError: names the field, what was expected and what was found.
    """
    if not condition:
        raise UsageError(
            f"{type(owner).__name__}.{name}: expected {expected}, found {getattr(owner, name)!r}."
        )


def require_outputs(owner: object, name: str) -> None:
    """Refuse output names that are empty or not unique.

    Raises:
        UsageError: as `require`.
    """
    names: tuple[str, ...] = getattr(owner, name)
    good = len(names) > 0 and all(names) and len(set(names)) == len(names)
    require(good, owner, name, "one or more different names")
