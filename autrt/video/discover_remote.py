"""Discovery of sources in object storage and on web servers, by names alone: one listing for each input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from autrt.cloud.remote_file import RemoteFile
from autrt.cloud.store import Store
from autrt.errors import UsageError
from autrt.storage.remote_url import WEB, RemoteUrl
from autrt.types import SourceKind
from autrt.video.file_kind import kind_by_name
from autrt.video.pictures import picture_number

_MAGIC: Final = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """A video, picture or folder of numbered pictures in object storage or on a web server."""

    relative: str
    """As `Source.relative`."""
    kind: SourceKind
    files: tuple[RemoteFile, ...]
    """Its files; none where a file that was named is not there."""
    store: Store
    shown: str
    """Its place, for messages."""


def discover_remote(url: RemoteUrl, store: Store) -> list[RemoteSource]:
    """Find the sources that a URL names: a file, all below a folder, or those that match a pattern.

    As for local inputs (`discover`), but nothing is opened: a file in a folder is a source if its name is that of a
    video or picture.

    Args:
        url: what the user named; on a web server a single file.
        store: that of the URL.

    Raises:
        UsageError: nothing was found.
        StorageError: the store refuses, or does not answer.
    """
    if url.scheme in WEB:
        return [_named(url, store, store.path(url))]
    path = store.path(url)
    found = store.files(path)
    if "" in found:
        return [_source(store, PurePosixPath(path).name, [found[""]], path, _kind_of_named(path))]
    if not found and _MAGIC.search(path):
        path, found = _matching(store, path)
    sources = list(_in_folders(store, path, found))
    if not sources:
        raise UsageError(
            f"expected videos or pictures, found none in {url}: give an object, or a prefix of objects that are "
            "known by names such as .mp4, .mkv, .avi, .mov, .webm, .jpg or .png"
        )
    return sources


def _named(url: RemoteUrl, store: Store, path: str) -> RemoteSource:
    name = PurePosixPath(unquote(path.partition("?")[0])).name or "video"
    try:
        files = [store.info(path)]
    except FileNotFoundError:
        files = []
    return _source(store, name, files, str(url), _kind_of_named(name))


def _source(
    store: Store, relative: str, files: Iterable[RemoteFile], path: str, kind: SourceKind
) -> RemoteSource:
    return RemoteSource(relative, kind, tuple(files), store, store.shown(path))


def _kind_of_named(name: str) -> SourceKind:
    return kind_by_name(name) or "video"


def _matching(store: Store, pattern: str) -> tuple[str, dict[str, RemoteFile]]:
    """Return the fixed part of a pattern, and the files that match by their paths relative to it."""
    from fsspec.utils import glob_translate

    parts = pattern.split("/")
    fixed = "/".join(parts[: next(i for i, part in enumerate(parts) if _MAGIC.search(part))])
    matches = re.compile(glob_translate(pattern))
    found = store.files(fixed) if fixed else {}
    return fixed, {name: file for name, file in found.items() if matches.match(f"{fixed}/{name}")}


def _in_folders(store: Store, top: str, found: Mapping[str, RemoteFile]) -> Iterable[RemoteSource]:
    """Yield the sources among files; numbered pictures of one folder are one source."""
    folders: dict[PurePosixPath, list[tuple[str, RemoteFile]]] = {}
    for relative, file in found.items():
        path = PurePosixPath(relative)
        if not any(part.startswith(".") for part in path.parts):
            folders.setdefault(path.parent, []).append((path.name, file))
    for folder, files in folders.items():
        pictures = sum(picture_number(name) is not None for name, _ in files) >= 2
        if pictures:
            name = folder.as_posix() if folder.parts else PurePosixPath(top).name
            yield _source(
                store, name, (file for _, file in sorted(files)), f"{top}/{folder.as_posix()}", "images"
            )
        for name, file in files:
            kind = kind_by_name(name)
            if kind is not None and not (pictures and kind == "still"):
                yield _source(store, (folder / name).as_posix(), [file], file.path, kind)
