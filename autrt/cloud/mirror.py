"""A folder of object storage copied to this machine, as far as it changed since the last copy."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from autrt.cloud.remote_file import RemoteFile
from autrt.cloud.store import Store
from autrt.errors import UsageError
from autrt.storage.atomic_file import replacing
from autrt.storage.cache import cache_dir
from autrt.storage.disk import make_folder, writing
from autrt.storage.lock import try_lock
from autrt.storage.remote_url import RemoteUrl

AT_ONCE: Final = 8
"""Files that are copied at once."""

_MIRRORS: Final = "mirrors"
_STATES: Final = "states.json"


@contextmanager
def mirrored(url: RemoteUrl, ending: str, beginning: str = "") -> Generator[Path]:
    """Yield a path in the user's cache that holds the files of a place as they are now.

    The copies stay for the next time, when only what changed is copied; a file that is gone there is removed here.
    A copy has the time of change that the store states.

    Args:
        url: a folder in object storage, or one file.
        ending: of the relative paths of the files that are needed.
        beginning: of the same.

    Raises:
        UsageError: there is nothing that is wanted, or another process copies the same place.
        StorageError: the store refuses, or does not answer.
        DiskFullError, ResultsError: the cache cannot be written.
    """
    store = Store(url.scheme)
    top = store.path(url)
    found = store.files(top, beginning)
    single = Path(top).name if "" in found else ""
    files = {name or single: file for name, file in found.items() if not name or name.endswith(ending)}
    if not files:
        raise UsageError(f"{url}: expected files called {beginning}*{ending} there, found none")
    folder = _folder(f"{store.shown(top)} {beginning} {ending}")
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if try_lock(fd) == "held":
            raise UsageError(f"another command of this user reads {url}: wait for its end")
        _copy_changed(store, files, folder)
        yield folder / "files" / single
    finally:
        os.close(fd)


def is_mirrored(path: Path) -> bool:
    """Return whether a path is one that `mirrored` yields, where nothing should be written."""
    return path.is_relative_to(cache_dir() / _MIRRORS)


def _folder(key: str) -> Path:
    folder = cache_dir() / _MIRRORS / hashlib.sha256(key.encode()).hexdigest()[:16]
    with writing(folder):
        make_folder(folder)
    return folder


def _copy_changed(store: Store, files: dict[str, RemoteFile], folder: Path) -> None:
    known = _read_states(folder / _STATES)
    wanted = {name: [file.size_bytes, file.mtime_ns, file.etag] for name, file in files.items()}
    files_here = (path for path in (folder / "files").rglob("*") if path.is_file())
    copies = {path.relative_to(folder / "files").as_posix() for path in files_here}
    for name in copies - wanted.keys():
        (folder / "files" / name).unlink()
    changed = [name for name, state in wanted.items() if name not in copies or known.get(name) != state]
    _write_states(
        folder / _STATES, {name: state for name, state in wanted.items() if name not in set(changed)}
    )

    def copy(name: str) -> None:
        store.fetch(files[name], target := folder / "files" / name)
        if (mtime_ns := files[name].mtime_ns) is not None:
            os.utime(target, ns=(mtime_ns, mtime_ns))

    with ThreadPoolExecutor(AT_ONCE, "mirror") as pool:
        for _ in pool.map(copy, changed):
            pass
    _write_states(folder / _STATES, wanted)


def _read_states(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _write_states(path: Path, states: dict[str, Any]) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(states))
