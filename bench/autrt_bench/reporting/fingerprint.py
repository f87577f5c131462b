"""Facts about a measurement: the machine, the libraries' versions, the commit."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from autrt.machine import available_cores, cpu_features

PACKAGES: Final = (
    "autrt", "numpy", "av", "opencv-python-headless", "onnxruntime", "openvino", "h5py", "lap", "torch",
    "tensorrt", "tensorrt-rtx", "torch-tensorrt", "nvidia-dali-cuda130",
)  # fmt: skip
"""Packages whose versions are recorded if they are installed."""

MACHINE: Final = ("cpu", "cores", "features", "memory_gb", "gpu")
"""Facts that identify a machine; numbers of different machines are not comparable."""


def fingerprint() -> dict[str, Any]:
    """Return facts as JSON values: `MACHINE`, and platform, python, versions, load, commit."""
    facts: dict[str, Any] = {
        "cpu": cpu_model(),
        "cores": available_cores(),
        "features": list(cpu_features()),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "gpu": gpus(),
    }
    return {
        **facts,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "load": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }


def machine_name(facts: dict[str, Any]) -> str:
    """Return a file name for a machine: its processor, cores, and a short digest over all of `MACHINE`."""
    digest = hashlib.sha256(json.dumps([facts[name] for name in MACHINE]).encode()).hexdigest()
    words = re.sub(r"[^a-z0-9]+", "-", str(facts["cpu"]).lower()).strip("-")
    return f"{words[:40]}-{facts['cores']}-cores-{digest[:6]}"


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as given by the system."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpus() -> list[str]:
    """Return each NVIDIA GPU's name and driver; none if nvidia-smi is not installed."""
    if shutil.which("nvidia-smi") is None:
        return []
    lines = _output(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    return [line.strip() for line in lines.splitlines() if line.strip()]


def checkout() -> Path | None:
    """Return the repository that this package runs from; None if it is installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / ".git").exists() and (root / "pyproject.toml").is_file() else None


def commit() -> str:
    """Return the checkout's commit (12 hex digits; with a + if files differ from it), or empty."""
    root = checkout()
    if root is None:
        return ""
    head = _output(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]).strip()
    # Files that benchmarks write into the repository do not change what is measured.
    changed = _output(["git", "-C", str(root), "status", "--porcelain", "--", ":!bench/history"]).strip()
    return head + "+" if head and changed else head


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _output(command: Sequence[str]) -> str:
    """Return the output of a command; empty if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
