"""Discovery of sources: an ordered list of the videos and pictures in files, folders and patterns.

In a folder, a file is a source if its name, or its content where the name is unknown, is that of a video or
picture. A file that was named on the command line is always a source, and fails later with a reason if it cannot be
read. Links are followed, but a file that was found under its own path is not taken again through a link, and no
folder is entered twice.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

from autrt.errors import UsageError
from autrt.types import Source, SourceKind
from autrt.video.file_kind import kind_by_name, kind_of_file, kind_of_named
from autrt.video.pictures import picture_number
from autrt.video.still_folder import still_files

_MAGIC: Final = re.compile(r"[*?[]")

_Identity = tuple[int, int]


def discover(
    inputs: Sequence[Path], out: Path | None = None, *, stills_together: bool = False
) -> list[Source]:
    """Find all sources in the inputs.

    Args:
        inputs: files, folders (searched with their subfolders) and patterns: a path that does not exist and
            contains `*`, `?` or `[`. The path of a source is relative to its input folder, to the fixed part of
            its pattern, or to its own folder if the file itself was named.
        out: the results folder; it is not searched where it lies inside an input.
        stills_together: take the stills that lie in one folder as one source, that folder; those that are named
            themselves, or by a pattern, stay apart.

    Returns:
        Sources with unique relative paths, in bytewise order of these.

    Raises:
        UsageError: nothing was found, a pattern matches nothing, or two sources have one relative path.
    """
    search = _Search(out, stills_together)
    for path in inputs:
        search.add(path)
    search.follow_links()
    if not search.found:
        named = ", ".join(repr(str(path)) for path in inputs) or "no input"
        raise UsageError(
            f"expected videos or pictures, found none in {named}: give video files, folders that hold some (known "
            "by names such as .mp4, .mkv, .avi, .mov, .webm, .jpg or .png, or by content), or folders of pictures "
            "numbered 00001.jpg, 00002.jpg, …"
        )
    return _in_order(search.found)


class _Search:
    """Collects sources; links are followed last, after everything else was found."""

    def __init__(self, out: Path | None, stills_together: bool) -> None:
        self.found: list[Source] = []
        self._stills_together = stills_together
        self._out = _identity(out) if out is not None else None
        self._files: set[_Identity] = set()
        self._folders: set[_Identity] = set()
        self._links: list[tuple[bytes, Path, PurePath]] = []

    def add(self, path: Path) -> None:
        """Search one input."""
        if _is_folder(path):
            self._folder(path, PurePath())
        elif os.path.lexists(path) or not _MAGIC.search(str(path)):
            self._take(path, PurePath(path.name), kind_of_named(path))
        else:
            self._pattern(path)

    def _pattern(self, pattern: Path) -> None:
        base, paths = _matches(pattern)
        for path in paths:
            relative = path.relative_to(base)
            if path.is_symlink():
                self._defer(path, relative)
            elif _is_folder(path):
                self._folder(path, relative)
            else:
                self._file(path, relative)

    def _folder(self, top: Path, relative: PurePath) -> None:
        """Search a folder and its subfolders, except folders that were entered before and the results folder."""
        waiting = [(top, relative)]
        while waiting:
            path, relative = waiting.pop()
            identity = _identity(path)
            if identity is not None:
                if identity in self._folders or (identity == self._out and relative.parts):
                    continue
                self._folders.add(identity)
            waiting += self._listed(path, relative)

    def _listed(self, path: Path, relative: PurePath) -> list[tuple[Path, PurePath]]:
        """Take the sources in one folder; return its subfolders."""
        try:
            with os.scandir(path) as listing:
                entries = [entry for entry in listing if not entry.name.startswith(".")]
        except OSError:  # opening it later reports the reason
            self._take(path, relative, "images")
            return []
        pictures = sum(picture_number(entry.name) is not None for entry in entries) >= 2
        if pictures:
            self._take(path, relative, "images")
        together = not pictures and self._stills_together and bool(still_files(path))
        if together:
            self._take(path, relative, "stills")
        folders: list[tuple[Path, PurePath]] = []
        for entry in entries:
            inner = relative / entry.name
            if pictures and kind_by_name(entry.name) == "still":
                continue
            if together and kind_of_file(path / entry.name) == "still":
                continue
            if entry.is_symlink():
                self._defer(path / entry.name, inner)
            elif entry.is_dir(follow_symlinks=False):
                folders.append((path / entry.name, inner))
            else:
                self._file(path / entry.name, inner)
        return folders

    def _file(self, path: Path, relative: PurePath) -> None:
        kind = kind_of_file(path)
        if kind is not None:
            self._take(path, relative, kind)

    def _defer(self, path: Path, relative: PurePath) -> None:
        heapq.heappush(self._links, (os.fsencode(relative), path, relative))

    def follow_links(self) -> None:
        """Follow links, in order of their paths, to files and folders that were not found yet."""
        while self._links:
            _, path, relative = heapq.heappop(self._links)
            if _is_folder(path):
                self._folder(path, relative)
            elif _identity(path) not in self._files:
                self._file(path, relative)

    def _take(self, path: Path, relative: PurePath, kind: SourceKind) -> None:
        identity = _identity(path)
        if identity is not None:
            self._files.add(identity)
        # An input folder that is itself a source has no path within itself, so it gets its own name.
        own_name = path.name if path.name not in ("", "..") else path.resolve().name
        name = relative.as_posix() if relative.parts else own_name
        self.found.append(Source(path, name, kind))


def _matches(pattern: Path) -> tuple[Path, list[Path]]:
    """Return the fixed part of a pattern and the paths that match; hidden ones only if it names them."""
    fixed = next(i for i, part in enumerate(pattern.parts) if _MAGIC.search(part))
    base, rest = Path(*pattern.parts[:fixed]), PurePath(*pattern.parts[fixed:])
    shows_hidden = any(part.startswith(".") for part in rest.parts)
    try:
        # pathlib's ** enters no linked folders, so that it always ends.
        paths = [
            path
            for path in base.glob(str(rest))
            if shows_hidden or not any(part.startswith(".") for part in path.relative_to(base).parts)
        ]
    except ValueError as error:
        raise UsageError(
            f"{str(pattern)!r} is no file, and as a pattern it cannot be read: {error}"
        ) from error
    if not paths:
        raise UsageError(
            f"expected files that match {str(pattern)!r}, found none, nor a file of this very name"
        )
    return base, sorted(paths, key=os.fsencode)


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:  # pathlib's is_dir raises some of these, such as a name too long
        return False


def _identity(path: Path) -> _Identity | None:
    """Return device and inode of a path's target; None where it has none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _in_order(found: list[Source]) -> list[Source]:
    """Return sources in order, each once.

    Raises:
        UsageError: different files have one relative path.
    """
    by_name: dict[str, Source] = {}
    for source in found:
        other = by_name.setdefault(source.relative, source)
        if other is not source and (_identity(other.path) or other.path) != (
            _identity(source.path) or source.path
        ):
            raise UsageError(
                f"{str(other.path)!r} and {str(source.path)!r} would both be written as {source.relative!r}: give "
                "a folder that holds both, or process them into two results folders"
            )
    return sorted(by_name.values(), key=lambda source: os.fsencode(source.relative))
