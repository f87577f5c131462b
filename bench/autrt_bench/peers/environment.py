"""A virtual environment for each peer, created once and cached in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from autrt.errors import AutrtError
from autrt.storage.cache import cache_dir
from autrt_bench.peers import Peer

READY: Final = "autrt-ready"
"""Marker file of an environment in which everything is installed."""


def variable(peer: Peer) -> str:
    """Return the environment variable that can name an existing environment for a peer."""
    return f"AUTRT_PEER_{peer.name.upper()}"


def interpreter(peer: Peer, log: Callable[[str], object]) -> Path:
    """Return the Python of a peer's environment, creating the environment if it is missing.

    The variable `AUTRT_PEER_NAME` may name the folder of an existing environment.

    Raises:
        AutrtError: it cannot be created; the message is the last line of the output.
    """
    if given := os.environ.get(variable(peer)):
        python = Path(given) / "bin/python"
        if not python.is_file():
            raise AutrtError(f"{variable(peer)}={given}: expected a virtual environment, found no {python}")
        return python
    key = hashlib.sha256(f"{sys.version} {peer.requirements}".encode()).hexdigest()[:12]
    folder = cache_dir() / "bench/peers" / f"{peer.name}-{key}"
    python = folder / "bin/python"
    if not (folder / READY).is_file():
        log(f"making {folder} with {' '.join(peer.requirements)}")
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *peer.requirements,
            ]
        )
        (folder / READY).touch()
    return python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stderr + done.stdout).strip().splitlines() or ["it said nothing"]
        raise AutrtError(f"`{' '.join(command)}` failed: {output[-1]}")
