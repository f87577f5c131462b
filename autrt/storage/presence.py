"""A file that says that a process is at work in a folder, and whether that process still lives.

The file is locked (flock) as long as its process lives, and touched every few seconds. On one machine the lock
decides, or the process is looked up where the file system has no locks. A machine may not see the locks of another:
a process there counts as dead when its file was not touched for two minutes, by the clock of the file system.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autrt.storage.disk import write_all, writing
from autrt.storage.lock import try_lock

PRESENCE: Final = ".autrt-run-"
"""Begin of the name of such a file; 16 hexadecimal digits follow."""
_BEAT_S: Final = 15.0
DEAD_S: Final = 120.0
"""A process of another machine counts as dead when its file was not touched for so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The file of another process."""

    path: Path
    facts: Mapping[str, Any]
    """Empty while the file is being written."""
    data: bytes
    touched_s: float
    """Time of its last sign of life, by the clock of the file system."""
    sure: bool
    """True if the process lives; False if it may have died within the last two minutes."""


class Presence:
    """The file of this process in a folder, until it is closed or the process dies.

    Args:
        folder: an existing folder.
        facts: JSON for other processes to read; host, process and so on are added.
        data: any bytes for them.

    Raises:
        DiskFullError: no room.
        ResultsError: the folder cannot be written.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], data: bytes = b"") -> None:
        self.path = folder / f"{PRESENCE}{secrets.token_hex(8)}"
        """The file."""
        content = presence_content(facts, data)
        with writing(self.path):
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                # First the lock, then the content: a file with content that can be locked is a dead process's.
                with suppress(OSError):
                    fcntl.flock(self._fd, fcntl.LOCK_EX)
                write_all(self._fd, memoryview(content))
            except BaseException:
                self._remove()
                raise
        self._over = threading.Event()
        threading.Thread(target=self._beat, name="presence", daemon=True).start()

    def others(self) -> list[Found]:
        """Return the files of other processes that live or may, and remove those of dead ones.

        Raises:
            ResultsError: the folder cannot be read.
        """
        with writing(self.path):
            os.utime(self.path)
            now_s = os.fstat(self._fd).st_mtime
            found = (_look(path, now_s) for path in _files(self.path.parent) if path != self.path)
            return [other for other in found if other is not None]

    def close(self) -> None:
        """Remove the file."""
        if self._fd >= 0:
            self._over.set()
            self._remove()

    def _remove(self) -> None:
        fd, self._fd = self._fd, -1
        self.path.unlink(missing_ok=True)
        os.close(fd)

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_S):
            with suppress(OSError):
                os.utime(self.path)


def living(folder: Path) -> list[Found]:
    """Return the processes that are at work in a folder, or may be.

    Raises:
        ResultsError: the folder cannot be read.
    """
    with writing(folder):
        found = [_look(path, time.time()) for path in _files(folder)]
        return [other for other in found if other is not None]


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        yield from sorted(Path(entry.path) for entry in entries if entry.name.startswith(PRESENCE))


def _look(path: Path, now_s: float) -> Found | None:
    """Return what a file says; remove it and return None if its process is dead."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # removed meanwhile
        return None
    try:
        lock = try_lock(fd)
        touched_s = os.fstat(fd).st_mtime
        facts, data = parse_presence(os.pread(fd, os.fstat(fd).st_size, 0))
        lives = True if lock == "held" else process_lives(facts, certain=lock == "locked")
        if lives is False or (lives is None and now_s - touched_s > DEAD_S):
            path.unlink(missing_ok=True)
            return None
        return Found(
            path=path, facts=facts, data=data, touched_s=touched_s, sure=lives is True and bool(facts)
        )
    except OSError:
        return None
    finally:
        os.close(fd)


def presence_content(facts: Mapping[str, Any], data: bytes) -> bytes:
    """Return what the file of this process holds."""
    return json.dumps({**_this_process(), **facts}).encode() + b"\n" + data


def parse_presence(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the facts and data of a file; nothing where it is not fully written yet."""
    line, _, data = content.partition(b"\n")
    try:
        facts = json.loads(line)
    except ValueError:
        facts = {}
    return (facts, data) if isinstance(facts, dict) else ({}, b"")


def process_lives(facts: Mapping[str, Any], *, certain: bool) -> bool | None:
    """Return whether a process lives whose file is not locked; None where this machine cannot tell.

    Args:
        facts: of the file.
        certain: the file system has locks, at least among the processes of one machine.
    """
    here = _this_process()
    same = {name for name in here if facts.get(name) == here[name]}
    if not {"host", "machine"} <= same and "boot" not in same:
        return None
    if certain or "boot" not in same:  # the machine was started again since
        return False
    return _start_of(facts.get("pid")) == facts.get("started") if "namespace" in same else None


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "machine": _text("/etc/machine-id"),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
        "pid": pid,
        "started": _start_of(pid),
    }


def _start_of(pid: Any) -> str:
    """Return when a process of this machine began, in clock ticks since the boot; empty where there is none."""
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError):
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
