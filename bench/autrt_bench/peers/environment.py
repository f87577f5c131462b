"""A virtual environment for each peer, made once and kept in the user's cache folder."""

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
"""This file in an environment says that everything was installed into it."""


def variable(peer: Peer) -> str:
    """The environment variable that names an existing environment for a peer."""
    return f"AUTRT_PEER_{peer.name.upper()}"


def interpreter(peer: Peer, log: Callable[[str], object]) -> Path:
    """The Python of a peer's environment, which is made first where it is missing.

    The variable `AUTRT_PEER_NAME` may name an environment's folder that somebody else made.

    Raises:
        AutrtError: it cannot be made; the message is the last line of what was said.
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
        said = (done.stderr + done.stdout).strip().splitlines() or ["it said nothing"]
        raise AutrtError(f"`{' '.join(command)}` failed: {said[-1]}")
