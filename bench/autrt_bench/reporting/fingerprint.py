"""What was measured, and on what: the machine, the libraries' versions, the commit."""

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
"""Those of them that are installed are named with their versions."""

MACHINE: Final = ("cpu", "cores", "features", "memory_gb", "gpu")
"""The facts that make a machine: numbers of different ones are not to be compared."""


def fingerprint() -> dict[str, Any]:
    """Facts as plain JSON values: `MACHINE`, and platform, python, versions, load, commit."""
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
    """A file name for a machine: its processor, its cores, and some digits over all of `MACHINE`."""
    digest = hashlib.sha256(json.dumps([facts[name] for name in MACHINE]).encode()).hexdigest()
    words = re.sub(r"[^a-z0-9]+", "-", str(facts["cpu"]).lower()).strip("-")
    return f"{words[:40]}-{facts['cores']}-cores-{digest[:6]}"


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system tells it."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpus() -> list[str]:
    """Each NVIDIA GPU's name and driver; none where its tool is not installed."""
    if shutil.which("nvidia-smi") is None:
        return []
    lines = _output(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    return [line.strip() for line in lines.splitlines() if line.strip()]


def checkout() -> Path | None:
    """The folder of the repository that this package runs from; None where it is installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / ".git").exists() and (root / "pyproject.toml").is_file() else None


def commit() -> str:
    """The checkout's commit (12 hex digits; a + where files differ from it), or empty."""
    root = checkout()
    if root is None:
        return ""
    head = _output(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]).strip()
    # What benchmarks themselves leave in the repository changes nothing that is measured.
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
    """What a command prints; nothing where it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
