"""Processes of Python that run some code before anything else, to bring about what seldom happens."""

from __future__ import annotations

import os
from pathlib import Path


def injected(folder: Path, code: str) -> dict[str, str]:
    """Return the environment of processes that run `code` first, and load their modules as this one does.

    Args:
        folder: gets a `sitecustomize.py`.
        code: may look at `sys.orig_argv`, as it is run by every process.
    """
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), os.environ.get("PYTHONPATH")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
