"""Running the command as a user does, and reading what it left."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import h5py
import numpy as np

from autrt.cli import main


def autrt(*arguments, **kwargs) -> subprocess.CompletedProcess[str]:
    """`python -m autrt …`."""
    return subprocess.run(
        [sys.executable, "-m", "autrt", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )


def autrt_here(*arguments) -> subprocess.CompletedProcess[str]:
    """`autrt …` in this process, without the second that a new one takes to import its libraries."""
    typed = ["autrt", *map(str, arguments)]
    out, errors, code = io.StringIO(), io.StringIO(), None
    with patch.object(sys, "argv", typed), redirect_stdout(out), redirect_stderr(errors):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(typed, code, out.getvalue(), errors.getvalue())


def start(*arguments, **kwargs) -> subprocess.Popen[str]:
    """The same, without waiting for its end."""
    return subprocess.Popen(
        [sys.executable, "-m", "autrt", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Every dataset of an HDF5 file."""
    out: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: out.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return out


def assert_equal_results(a: Path, b: Path) -> None:
    """Both folders hold files of the same names, whose datasets are equal bit for bit."""
    names = sorted(p.relative_to(a) for p in a.rglob("*.h5"))
    assert names == sorted(p.relative_to(b) for p in b.rglob("*.h5"))
    for name in names:
        first, second = datasets(a / name), datasets(b / name)
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_array_equal(first[key], second[key], err_msg=f"{name}: {key}")


def manifest(out: Path) -> dict[str, dict]:
    """The last event of each path."""
    events = [
        event
        for file in sorted(out.glob("manifest*.jsonl"))
        for event in map(json.loads, file.read_text().splitlines())
        if "path" in event  # the others say which run follows
    ]
    return {event["path"]: event for event in sorted(events, key=lambda event: event["time"])}


def leftovers(out: Path) -> list[Path]:
    """Files that a run leaves only when it dies."""
    return list(out.rglob(".autrt-*"))
