"""A GPU that fails, or has no memory left: the run ends, says so, and no video counts as failed."""

from __future__ import annotations

from pathlib import Path

from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.faulty_engine import NAME, install
from autrt_bench.gpu_check.infer import Side, fetched_clips, status_of, try_infer
from autrt_bench.gpu_check.machine import require

_TOLD = "the GPU failed, or has no memory left"


def check_failing_gpu(fault: str, device: str, folder: Path) -> Measured:
    """Run with an engine that fails on a GPU (on the CPU, that raises what torch would), then with a sound one.

    Args:
        fault: of `faulty_engine`.
        device: cuda:N or cpu.
        folder: scratch.

    Raises:
        Missing: something is not here.
        Failure: the run did not end with this error, a video counts as failed, or the next run does not finish.
    """
    require(device, "torch", "safetensors", "onnxruntime")
    clips, out, side = fetched_clips(), folder / f"after {fault}", Side(NAME, "f32", device)
    done = try_infer(clips, out, side, environment=install(folder / "faulty", fault))
    if done.returncode == 0 or _TOLD not in done.stderr:
        raise Failure(f"expected {_TOLD!r}, found exit code {done.returncode}: {done.stderr[-600:]}")
    status = status_of(out)
    if status["failed"]:
        raise Failure(f"{status['failed']} videos count as failed: {status['failed_reasons']}")
    again = try_infer(clips, out, side, environment=install(folder / "faulty", ""))
    finished = status_of(out)["finished"]
    if again.returncode != 0 or finished != len(clips):
        raise Failure(
            f"the same command without the fault finishes {finished} of {len(clips)}: {again.stderr[-600:]}"
        )
    return Measured(
        f"exit code {done.returncode}, 0 videos failed; {finished} of {len(clips)} by the same command later"
    )
