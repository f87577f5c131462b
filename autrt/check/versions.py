"""The installed packages, and whether their versions are in the tested ranges that this distribution states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

_DISTRIBUTION: Final = "autrt"
_FOR_GPUS: Final = ("gpu", "rtx")
_NOT_FOR_USERS: Final = "dev"
"""The extra whose pins do not state a tested range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package that this program uses."""

    name: str
    extras: tuple[str, ...]
    """The extras that bring it, those without a GPU first; none where every install does."""
    version: str | None
    """The installed version; None where there is none."""
    tested: tuple[str, ...]
    """Tested ranges, as version specifiers."""

    @property
    def is_base(self) -> bool:
        """True if every install needs it."""
        return not self.extras

    @property
    def is_tested(self) -> bool:
        """True if the installed version lies in a tested range, or none is stated."""
        if self.version is None or not self.tested:
            return True
        try:
            return any(
                Requirement(f"x{range_}").specifier.contains(self.version, True) for range_ in self.tested
            )
        except InvalidVersion:
            return False


def packages() -> dict[str, Package]:
    """Return every package that is required here, by its name as `pip` spells it, those of every install first.

    Empty where this program runs from a folder and is not installed.
    """
    try:
        stated = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        return {}
    found = _collected([Requirement(line) for line in stated])
    return dict(sorted(found.items(), key=lambda item: (not item[1].is_base, item[0])))


def _collected(requirements: list[Requirement]) -> dict[str, Package]:
    extras: dict[str, dict[str, None]] = {}
    ranges: dict[str, dict[str, None]] = {}
    for requirement in requirements:
        extra = _extra_of(requirement)
        name = canonicalize_name(requirement.name)
        if extra == _NOT_FOR_USERS or name == _DISTRIBUTION:
            continue
        extras.setdefault(name, {})[extra] = None
        ranges.setdefault(name, {})[str(requirement.specifier)] = None
    return {name: _package(name, of, ranges[name]) for name, of in extras.items()}


def _package(name: str, extras: Mapping[str, None], ranges: Mapping[str, None]) -> Package:
    try:
        found = version(name)
    except PackageNotFoundError:
        found = None
    brought_by = () if "" in extras else tuple(sorted(extras, key=lambda extra: (extra in _FOR_GPUS, extra)))
    return Package(name=name, extras=brought_by, version=found, tested=tuple(filter(None, ranges)))


def _extra_of(requirement: Requirement) -> str:
    """Return the extra that a requirement belongs to; empty for every install."""
    marker = str(requirement.marker or "")
    _, _, after = marker.partition("extra ==")
    return after.strip().partition(" ")[0].strip("\"'")
