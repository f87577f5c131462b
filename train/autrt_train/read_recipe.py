"""Finding and reading recipes: by name or path, with `extends`, environment variables and `--set`."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError

from autrt.errors import UsageError
from autrt.storage.local_path import local_path
from autrt_train.recipe import Recipe

RECIPES: Final = Path(__file__).parent / "recipes"
"""Folder of the packaged recipes."""

_NAMES_PLACES: Final = ("data", "start", "distill", "temporal")
"""Sections in which strings may be paths."""

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def recipe_names() -> list[str]:
    """Return the names of the packaged recipes: `paper`, `ablation/01-r100` and so on."""
    return sorted(str(path.relative_to(RECIPES).with_suffix("")) for path in RECIPES.rglob("*.toml"))


def read_recipe(name_or_path: str, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe with everything that it extends, and apply changes.

    Args:
        name_or_path: a packaged recipe's name, or a TOML file.
        changes: `section.key=value` strings; values as in TOML, or plain text.

    Raises:
        UsageError: no such recipe, an unknown key, or an invalid value.
    """
    table = _extended(_find(name_or_path, None), ())
    for change in changes:
        _set(table, change)
    try:
        return Recipe.model_validate(_with_local_paths(_filled(table)))
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}; found {fault['input']!r}"
            for fault in error.errors()
        )
        raise UsageError(f"the recipe {name_or_path} (with --set) is not valid:\n{faults}") from error


def require_places(recipe: Recipe) -> None:
    """Refuse a recipe that contains environment variables which are not set.

    Raises:
        UsageError: a variable is not set; names the variable, its key, and both ways to set it.
    """
    for key, text in _strings(recipe.model_dump(mode="json")):
        if missing := _VARIABLE.search(text):
            raise UsageError(
                f"{key} = {text!r}: the environment variable {missing[1]} is not set. It says where that data or "
                f"checkpoint lies: set it, or give the place by --set {key}=PATH"
            )


def _filled(value: Any) -> Any:
    """Replace every ${NAME} by the environment variable; leave those that are not set."""
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), value)
    return value


def _with_local_paths(table: dict[str, Any]) -> dict[str, Any]:
    """Replace `file://` URLs by paths; refuse other URL schemes in sections that contain paths."""
    return {key: _local(value) if key in _NAMES_PLACES else value for key, value in table.items()}


def _local(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _local(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_local(inner) for inner in cast("list[Any]", value)]
    return local_path(value) if isinstance(value, str) else value


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from _strings(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for i, inner in enumerate(cast("list[Any]", value)):
            yield from _strings(inner, f"{key}.{i}")
    elif isinstance(value, str):
        yield key, value


def _find(name: str, beside: Path | None) -> Path:
    packaged = RECIPES / f"{name}.toml"
    if packaged.is_file() and packaged.resolve().is_relative_to(RECIPES.resolve()):
        return packaged
    path = Path(name) if beside is None else beside.parent / name
    if path.is_file():
        return path
    raise UsageError(
        f"no recipe {name!r}: expected a TOML file, or one of {', '.join(recipe_names())}"
        + (f" ({beside} extends it)" if beside else "")
    )


def _extended(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise UsageError(f"{path}: a recipe cannot extend itself ({' → '.join(map(str, (*seen, path)))})")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}") from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise UsageError(f"{path}: extends: expected a recipe's name, found {base!r}")
    return _merged(_extended(_find(base, path), (*seen, path)), table)


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; replace everything else."""
    out = dict(base)
    for key, value in change.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            out[key] = _merged(cast("dict[str, Any]", old), cast("dict[str, Any]", value))
        else:
            out[key] = value
    return out


def _set(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {change}: expected section.key=value, e.g. --set fit.epochs=3")
    *sections, last = key.split(".")
    place: Any = table
    for section in sections:
        place = _inner(place, section, change)
    _inner(place, last, change)  # raises where `place` cannot have such an item
    place[int(last) if isinstance(place, list) else last] = value_of(text)


def _inner(place: Any, section: str, change: str) -> Any:
    """Return a table's section (created if new), or an item of a list by its number."""
    if isinstance(place, list):
        items = cast("list[Any]", place)
        if section.isdigit() and int(section) < len(items):
            return items[int(section)]
        raise UsageError(f"--set {change}: {section!r} is no item of a list of {len(items)}")
    if not isinstance(place, dict):
        raise UsageError(f"--set {change}: what stands before {section!r} is no section")
    return cast("dict[str, Any]", place).setdefault(section, {})


def value_of(text: str) -> Any:
    """Parse the value of a `--set` option: a TOML value, none, or plain text."""
    if text in ("none", "null"):
        return None
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def recipe_json(recipe: Recipe) -> str:
    """Return the resolved recipe as it is written beside checkpoints."""
    return json.dumps(recipe.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
