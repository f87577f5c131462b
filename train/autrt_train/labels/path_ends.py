"""Lookup of files by the ends of their paths, as tables and labels rarely give whole ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from autrt_train.annotations.pictures import is_picture, without_video_suffix

T = TypeVar("T")


def path_parts(name: str) -> list[str]:
    r"""Return the parts of a path, separated by `/` or `\`."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


class PathEnds(Generic[T]):
    """Items by every end of their paths: `talks/anna.mp4`, `anna.mp4`, `talks/anna` and `anna`.

    A picture and a video whose names differ only in the extension are kept apart.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], list[T]] = {}

    def add(self, names: Iterable[str], item: T) -> None:
        """Add an item under all ends of its names."""
        parts = [path_parts(name) for name in names]
        ends = {"/".join(some[-n:]) for some in parts for n in range(1, len(some) + 1)}
        for key in {key for end in ends for key in (*_keys(end), *_any_kind(end))}:
            self._at.setdefault(key, []).append(item)

    def find(self, name: str) -> list[T]:
        """Return all items that share the longest possible end with `name`."""
        parts = path_parts(name)
        for n in range(len(parts), 0, -1):
            end = "/".join(parts[-n:])
            bare, kind = _bare(end)
            keys = [*_keys(end), (bare, "")] if kind else [(end, ""), (end, "any")]
            for key in keys:
                if hits := self._at.get(key):
                    return hits
        return []


def _keys(end: str) -> list[tuple[str, str]]:
    """Return the end itself, and, for pictures and videos, the end without extension with its kind."""
    bare, kind = _bare(end)
    return [(end, ""), (bare, kind)] if kind else [(end, "")]


def _any_kind(end: str) -> list[tuple[str, str]]:
    bare, kind = _bare(end)
    return [(bare, "any")] if kind else []


def _bare(name: str) -> tuple[str, str]:
    """Return a name without the extension of a video or picture, and its kind: picture, video or empty."""
    if is_picture(name):
        return str(PurePosixPath(name).with_suffix("")), "picture"
    bare = without_video_suffix(name)
    return bare, "video" if bare != name else ""
