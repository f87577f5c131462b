"""A Python in which some packages are not installed, for commands run as a user runs them."""

from __future__ import annotations

from pathlib import Path

from tests.support.injected import injected

_SITE = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {names!r} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


def without(folder: Path, *names: str) -> dict[str, str]:
    """The environment of a process that finds none of these top-level modules; `folder` is an empty one."""
    return injected(folder, _SITE.format(names=set(names)))
