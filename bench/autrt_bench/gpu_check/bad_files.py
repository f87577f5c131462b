"""Broken files: a process that decodes all of them survives, and a run says of each what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.infer import SOME_FAILED, Side, status_of, try_infer
from autrt_bench.gpu_check.machine import require
from autrt_bench.inputs.barcode_clips import CLIPS
from autrt_bench.inputs.broken_clips import DAMAGED, write_broken, write_damaged


def check_decoding(device: str, folder: Path) -> Measured:
    """Decode broken, damaged and odd files in one process.

    Raises:
        Missing: something is not here.
        Failure: it crashed, or a sound file was not decoded whole after the others.
    """
    require(device, "torch", "nvidia.dali")
    scratch = folder / "broken"
    scratch.mkdir(exist_ok=True)
    sound = CLIPS[0].write(scratch)
    files = [*write_broken(scratch), *(write_damaged(name, scratch) for name in DAMAGED), sound]
    module = "autrt_bench.gpu_check.decode_each"
    command = [sys.executable, "-m", module, device, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Failure(f"ended with {done.returncode} at {files[len(answers)].name}: {last}")
    if answers[-1]["frames"] != CLIPS[0].frames:
        raise Failure(f"after all the others, {sound.name} has {answers[-1]['frames']} frames")
    refused, taken_over = (sum(bool(answer[key]) for answer in answers) for key in ("error", "fallback"))
    return Measured(
        f"{len(files)} files", note=f"{refused} cannot be read, {taken_over} left to PyAV, no crash"
    )


def check_run(device: str, folder: Path) -> Measured:
    """Run `autrt infer` over broken files and a sound one.

    Raises:
        Missing: something is not here.
        Failure: it did not end by itself, a video has no outcome, or one crashed its process.
    """
    require(device, "torch", "nvidia.dali")
    videos = folder / "broken_videos"
    videos.mkdir(exist_ok=True)
    files = [*write_broken(videos)]
    files.append(CLIPS[0].write(videos))
    out = folder / "broken_results"
    done = try_infer(files, out, Side("torch", "f32", device))
    if done.returncode not in (0, SOME_FAILED):
        raise Failure(f"autrt infer ended with {done.returncode}: {done.stderr[-600:]}")
    status = status_of(out)
    kinds = {kind: status[kind] for kind in ("ok", "partial", "failed")}
    crashes = [reason for reason in status["failed_reasons"] if "crashes the process" in reason]
    if crashes or sum(kinds.values()) != len(files):
        raise Failure(f"{kinds} of {len(files)} files; {crashes}")
    return Measured(f"{len(files)} files", note=", ".join(f"{n} {kind}" for kind, n in kinds.items()))
