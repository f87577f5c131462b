"""Inference on the CPU and on the GPU over the same clips, with faces and decisions compared."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from autrt.download.fetch import fetch
from autrt.errors import AutrtError
from autrt.results.reader import Results, open_results
from autrt_bench.gpu_check.checks import Failure, Measured, Missing
from autrt_bench.measure.gpu_load import GpuLoad

CLIPS: Final = ("clip-smile", "clip-talk")
_SAME_FACES, _SAME_DECISIONS = 0.97, {"f32": 0.99, "fp16": 0.98}
_SHIFT: Final = 0.05
"""95 of 100 boxes must move by less, in box sides."""


@dataclass(frozen=True, slots=True)
class Side:
    """Engine, precision and device of a run."""

    engine: str
    precision: str
    device: str


def check_infer(side: Side, folder: Path) -> Measured:
    """Run both, compare, and time the second run on the device, when its engines are cached.

    Raises:
        Missing: the clips are not here.
        Failure: a run failed, or the results differ.
    """
    clips = _clips()
    reference, other = folder / "cpu", folder / f"{side.engine}-{side.precision}"
    if not reference.exists():
        _infer(clips, reference, Side("onnxruntime", "f32", "cpu"))
    _infer(clips, other, side)
    with GpuLoad(side.device) as load:
        start_s = time.monotonic()
        stderr = _infer(clips, other, side, "--overwrite")
        seconds = time.monotonic() - start_s
    parities = [_compare(path, other / path.name, side) for path in sorted(reference.glob("*.h5"))]
    frames = sum(n for _, n in parities)
    note = "some videos decoded on the CPU: see above" if "decoded on the CPU" in stderr else ""
    return Measured(
        min(parity for parity, _ in parities), f"{frames / seconds:.0f} frames/s", load.as_text, note
    )


def _clips() -> list[Path]:
    try:
        return [fetch(name) for name in (*CLIPS, "centerface")][:-1]
    except AutrtError as error:
        raise Missing(str(error)) from error


def _infer(clips: list[Path], out: Path, side: Side, *options: str) -> str:
    command = [sys.executable, "-m", "autrt", "infer", *map(str, clips), "--out", str(out)]
    command += ["--engine", side.engine, "--precision", side.precision, "--device", side.device]
    done = subprocess.run(
        [*command, "--progress", "none", *options], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"exit code {done.returncode} of `{' '.join(command[1:])}`: {done.stderr[-600:]}")
    return done.stderr


def _compare(a: Path, b: Path, side: Side) -> tuple[str, int]:
    with open_results(a) as reference, open_results(b) as other:
        rows_a, rows_b = _pairs(reference, other)
        shared = len(rows_a) / max(reference.n_faces, other.n_faces, 1)
        box_a, box_b = reference.faces["box"][rows_a], other.faces["box"][rows_b]
        sides = np.sqrt(np.prod(box_a[:, 2:] - box_a[:, :2], axis=1))
        shift = float(np.percentile(np.abs(box_a - box_b).max(1) / sides, 95))
        same = float((reference.faces["active"][rows_a] == other.faces["active"][rows_b]).mean())
        frames = reference.n_frames
        if frames != other.n_frames:
            raise Failure(f"{a.name}: {frames} frames on the CPU, {other.n_frames} on the device")
    parity = f"{shared:.1%} faces, boxes ±{shift:.3f}, {same:.2%} decisions equal"
    if shared < _SAME_FACES or shift > _SHIFT or same < _SAME_DECISIONS[side.precision]:
        raise Failure(f"{a.name}: {parity}")
    return parity, frames


def _pairs(a: Results, b: Results) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the same track in the same frame."""
    keys_a, keys_b = (file.faces["frame"].astype(np.int64) << 20 | file.faces["track"] for file in (a, b))
    _, rows_a, rows_b = np.intersect1d(keys_a, keys_b, return_indices=True)
    return rows_a, rows_b
