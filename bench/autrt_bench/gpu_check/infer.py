"""Inference by the command, on the CPU and on the GPU over the same clips, with faces and decisions compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.download.fetch import fetch
from autrt.engine.gpu import find_gpus
from autrt.errors import AutrtError
from autrt.results.reader import Results, open_results
from autrt_bench.gpu_check.checks import Failure, Measured, Missing
from autrt_bench.measure.gpu_load import GpuLoad

CLIPS: Final = ("clip-smile", "clip-talk")
VIDEOS_EACH: Final = 4
"""Videos for each GPU in a run on all of them."""
SOME_FAILED: Final = 3
"""Exit code of `autrt infer` where some videos failed."""

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
    """Run on the CPU, unless an earlier check did, and on the device, and compare.

    Raises:
        Missing: the clips are not here.
        Failure: a run failed, or the results differ.
    """
    clips = fetched_clips()
    reference, other = folder / "cpu", folder / f"{side.engine}-{side.precision}"
    if not reference.exists():
        infer(clips, reference, Side("onnxruntime", "f32", "cpu"))
    with GpuLoad(side.device) as load:
        stderr = infer(clips, other, side)
    parities = [_compare(path, other / path.name, side) for path in sorted(reference.glob("*.h5"))]
    note = "some videos decoded on the CPU: see above" if "decoded on the CPU" in stderr else ""
    return Measured(min(parities), load=load.as_text, note=note)


def check_all_gpus(device: str, folder: Path) -> Measured:
    """Run over some videos for each GPU on all GPUs at once; on the CPU, with two workers.

    Raises:
        Missing: the clips are not here, or there is one GPU alone.
        Failure: the run failed, or a GPU did no video.
    """
    gpus = [f"cuda:{i}" for i in range(len(find_gpus()))] if device != "cpu" else ["cpu"]
    if device != "cpu" and len(gpus) < 2:
        raise Missing("needs two GPUs, this machine has one")
    videos = folder / "for_all_gpus"
    videos.mkdir(exist_ok=True)
    clip = fetched_clips()[0]
    copies = [Path(shutil.copy(clip, videos / f"{i}{clip.suffix}")) for i in range(VIDEOS_EACH * len(gpus))]
    options = ["--workers", "2"] if device == "cpu" else []
    out = folder / "all_gpus"
    infer(copies, out, Side("torch", "f32", "cpu" if device == "cpu" else "cuda"), *options)
    done: list[str] = []
    for path in sorted(out.glob("*.h5")):
        with open_results(path) as results:
            done.append(results.header.device)
    shares = {gpu: done.count(gpu) for gpu in gpus}
    if len(done) != len(copies) or not all(shares.values()):
        raise Failure(f"{len(done)} of {len(copies)} videos are done: {shares}")
    return Measured(", ".join(f"{n} videos on {gpu}" for gpu, n in shares.items()))


def fetched_clips() -> list[Path]:
    """Return the demo clips, and see that the face detector is here.

    Raises:
        Missing: one is not.
    """
    try:
        return [fetch(name) for name in (*CLIPS, "centerface")][:-1]
    except AutrtError as error:
        raise Missing(str(error)) from error


def infer(clips: Sequence[Path], out: Path, side: Side, *options: str) -> str:
    """Run `autrt infer` and return what it told.

    Raises:
        Failure: it failed.
    """
    done = try_infer(clips, out, side, *options)
    if done.returncode != 0:
        raise Failure(f"exit code {done.returncode} of autrt infer by {side}: {done.stderr[-600:]}")
    return done.stderr


def try_infer(
    clips: Sequence[Path], out: Path, side: Side, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `autrt infer`, which may fail, with some more variables in its environment."""
    command = [sys.executable, "-m", "autrt", "infer", *map(str, clips), "--out", str(out)]
    command += ["--engine", side.engine, "--precision", side.precision, "--device", side.device]
    return subprocess.run(
        [*command, "--progress", "none", *options],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def status_of(out: Path) -> dict[str, Any]:
    """Return what `autrt status` knows about an output folder."""
    command = [sys.executable, "-m", "autrt", "status", "--json", str(out)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _compare(a: Path, b: Path, side: Side) -> str:
    with open_results(a) as reference, open_results(b) as other:
        rows_a, rows_b = _pairs(reference, other)
        shared = len(rows_a) / max(reference.n_faces, other.n_faces, 1)
        box_a, box_b = reference.faces["box"][rows_a], other.faces["box"][rows_b]
        sides = np.sqrt(np.prod(box_a[:, 2:] - box_a[:, :2], axis=1))
        shift = float(np.percentile(np.abs(box_a - box_b).max(1) / sides, 95))
        same = float((reference.faces["active"][rows_a] == other.faces["active"][rows_b]).mean())
        if reference.n_frames != other.n_frames:
            raise Failure(f"{a.name}: {reference.n_frames} frames on the CPU, {other.n_frames} on the device")
    parity = f"{shared:.1%} faces, boxes ±{shift:.3f}, {same:.2%} decisions equal"
    if shared < _SAME_FACES or shift > _SHIFT or same < _SAME_DECISIONS[side.precision]:
        raise Failure(f"{a.name}: {parity}")
    return parity


def _pairs(a: Results, b: Results) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the same track in the same frame."""
    keys_a, keys_b = (file.faces["frame"].astype(np.int64) << 20 | file.faces["track"] for file in (a, b))
    _, rows_a, rows_b = np.intersect1d(keys_a, keys_b, return_indices=True)
    return rows_a, rows_b
