"""Files by the ends of their paths, since tables and labels seldom name them as they lie here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from autrt_train.annotations.pictures import is_picture, without_suffix

T = TypeVar("T")


def parts_of(name: str) -> list[str]:
    r"""The parts of a path, with `/` or `\` between them."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


class Tails(Generic[T]):
    """Items by every end of their names: of `talks/anna.mp4` these are itself, `anna.mp4`, `talks/anna`, `anna`.

    A picture and a video of one name but for the extension are not taken for each other.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], list[T]] = {}

    def add(self, names: Iterable[str], item: T) -> None:
        """Add an item under all ends of some names."""
        parts = [parts_of(name) for name in names]
        ends = {"/".join(some[-n:]) for some in parts for n in range(1, len(some) + 1)}
        for key in {key for end in ends for key in (*_keys(end), *_any_kind(end))}:
            self._at.setdefault(key, []).append(item)

    def find(self, name: str) -> list[T]:
        """The items with the longest end of `name`; with several of these, all."""
        parts = parts_of(name)
        for n in range(len(parts), 0, -1):
            end = "/".join(parts[-n:])
            bare, kind = _bare(end)
            keys = [*_keys(end), (bare, "")] if kind else [(end, ""), (end, "any")]
            for key in keys:
                if hits := self._at.get(key):
                    return hits
        return []


def _keys(end: str) -> list[tuple[str, str]]:
    """As it is, and without the extension of a picture or video but with its kind."""
    bare, kind = _bare(end)
    return [(end, ""), (bare, kind)] if kind else [(end, "")]


def _any_kind(end: str) -> list[tuple[str, str]]:
    bare, kind = _bare(end)
    return [(bare, "any")] if kind else []


def _bare(name: str) -> tuple[str, str]:
    """A name without the extension of a video or picture, and its kind; empty for other names."""
    if is_picture(name):
        return str(PurePosixPath(name).with_suffix("")), "picture"
    bare = without_suffix(name)
    return bare, "video" if bare != name else ""
