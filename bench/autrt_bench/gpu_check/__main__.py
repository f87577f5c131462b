"""`python -m autrt_bench.gpu_check`: run all checks and print one table; exit code 1 if a check failed."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import click

from autrt_bench.gpu_check.barcodes import check_clip
from autrt_bench.gpu_check.benchmark import run_benchmark
from autrt_bench.gpu_check.checks import TIERS, Check, Measured, Missing, attempt, table
from autrt_bench.gpu_check.clips import CLIPS
from autrt_bench.gpu_check.decoding import CODECS, check_codec
from autrt_bench.gpu_check.engines import check_engine
from autrt_bench.gpu_check.infer import Side, check_infer
from autrt_bench.gpu_check.machine import require, require_gpu, require_rtx_target
from autrt_bench.gpu_check.pytests import run_tests

PACKAGES = {
    "torch": ("torch", "safetensors"),
    "tensorrt": ("torch", "tensorrt", "onnx", "onnxruntime"),
    "tensorrt-rtx": ("torch", "tensorrt_rtx", "onnx", "onnxruntime"),
    "torch-tensorrt": ("torch", "torch_tensorrt", "safetensors"),
}
"""Packages that each engine needs."""

ENGINE_TIERS = {
    "torch": "torch",
    "tensorrt": "tensorrt",
    "rtx": "tensorrt-rtx",
    "torch-tensorrt": "torch-tensorrt",
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(TIERS), help="This tier alone; may be repeated.")
@click.option(
    "--device", default="cuda:0", show_default=True, help="cuda:N; cpu rehearses what runs without a GPU."
)
def main(only: tuple[str, ...], device: str) -> None:
    """Run all checks that need a GPU, tier by tier, with what is installed."""
    with tempfile.TemporaryDirectory(prefix="autrt-gpu-check-") as folder:
        rows = []
        for check in checks(device, Path(folder)):
            if not only or check.tier in only:
                row = attempt(check)
                rows.append(row)
                click.echo(f"{row.tier}: {row.check}: {row.status} {row.note}".rstrip(), err=True)
    click.echo(table(rows))
    sys.exit(int(any(row.status == "failed" for row in rows)))


def checks(device: str, folder: Path) -> list[Check]:
    """Return all checks in order."""
    found = [Check("torch", "tests", partial(run_tests, device))]
    found += [Check("torch", "benchmark", partial(run_benchmark, device, folder))]
    found += [
        Check("dali", f"decode {codec.name}", partial(check_codec, codec, device, folder)) for codec in CODECS
    ]
    found += [Check("dali", f"clip {clip.name}", partial(check_clip, clip, device, folder)) for clip in CLIPS]
    found += [
        Check(tier, f"{name} {engine} {precision}", partial(run, engine, precision, device, folder))
        for tier, engine in ENGINE_TIERS.items()
        for precision in ("f32", "fp16")
        for name, run in (("engine", _engine), ("infer", _infer))
    ]
    return sorted(found, key=lambda check: TIERS.index(check.tier))


def _engine(engine: str, precision: str, device: str, folder: Path) -> Measured:
    _require(engine, precision, device)
    return check_engine(engine, precision, device)


def _infer(engine: str, precision: str, device: str, folder: Path) -> Measured:
    _require(engine, precision, device)
    return check_infer(Side(engine, precision, device), folder)


def _require(engine: str, precision: str, device: str) -> None:
    (require if engine == "torch" else require_gpu)(device, *PACKAGES[engine])
    if engine == "tensorrt-rtx":
        require_rtx_target(device)
    if device == "cpu" and precision == "fp16":
        raise Missing("torch has fp16 on a GPU only")


if __name__ == "__main__":
    main()
