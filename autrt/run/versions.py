"""The versions of the packages that compute results."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from autrt import __version__

COMPUTING_PACKAGES: Final = (
    "numpy",
    "av",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "h5py",
    "lap",
)


def computing_versions() -> dict[str, str]:
    """Return the versions of autrt, Python and the packages that compute, of those installed as wheels."""
    found = {"autrt": __version__, "python": platform.python_version()}
    for name in COMPUTING_PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
