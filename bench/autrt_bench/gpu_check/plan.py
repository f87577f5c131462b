"""All checks, tier by tier; within one, what the others need comes first."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from autrt_bench.gpu_check import bad_files
from autrt_bench.gpu_check.barcodes import check_clip, check_damaged
from autrt_bench.gpu_check.benchmark import run_benchmark
from autrt_bench.gpu_check.checks import Check, Measured
from autrt_bench.gpu_check.colours import check_colours
from autrt_bench.gpu_check.decoding import CODECS, check_codec
from autrt_bench.gpu_check.engines import (
    KINDS,
    REHEARSED,
    Kind,
    check_cross_build,
    check_engine,
    check_threads,
    require_kind,
)
from autrt_bench.gpu_check.faulty_engine import CUDA_ERROR, OUT_OF_MEMORY
from autrt_bench.gpu_check.gpu_failures import check_failing_gpu
from autrt_bench.gpu_check.infer import Side, check_all_gpus, check_infer
from autrt_bench.gpu_check.machine import check_nvdec_limits, describe_device
from autrt_bench.gpu_check.many_videos import VIDEOS, check_many_videos
from autrt_bench.gpu_check.pytests import run_tests
from autrt_bench.gpu_check.ranks import check_ranks
from autrt_bench.gpu_check.streams import SIZES, STREAMS, check_streams
from autrt_bench.inputs import barcode_clips, broken_clips, colour_clips

INFERRED: Final = (
    Kind("torch", "f32"),
    Kind("torch", "fp16"),
    Kind("tensorrt", "f32"),
    Kind("tensorrt", "fp16"),
    Kind("tensorrt-rtx", "fp16"),
    Kind("torch-tensorrt", "f32"),
)


def all_checks(device: str, folder: Path) -> list[Check]:
    """Return all checks in order.

    Args:
        device: cuda:N; cpu for a rehearsal.
        folder: scratch, which they share.
    """
    return [
        Check(1, "device", partial(describe_device, device)),
        Check(1, "NVDEC's limits", partial(check_nvdec_limits, device)),
        *_decoding(device, folder),
        *_engines(device, folder),
        *_infer(device, folder),
        Check(5, "broken files, decoded", partial(bad_files.check_decoding, device, folder)),
        Check(5, "broken files, infer", partial(bad_files.check_run, device, folder)),
        Check(5, "GPU out of memory", partial(check_failing_gpu, OUT_OF_MEMORY, device, folder)),
        Check(5, "CUDA error", partial(check_failing_gpu, CUDA_ERROR, device, folder)),
        *(
            Check(6, f"{n} × {size}", partial(check_streams, n, size, device, folder))
            for size in SIZES
            for n in STREAMS
        ),
        Check(6, f"{VIDEOS} videos", partial(check_many_videos, device, folder), limit_s=180),
        *([] if device == "cpu" else [Check(7, "one process", partial(check_ranks, 1, device, folder))]),
        Check(7, "two processes", partial(check_ranks, 2, device, folder), limit_s=120),
        Check(8, "pytest", partial(run_tests, device), limit_s=180),
        Check(9, "autrt bench", partial(run_benchmark, device, folder), limit_s=120),
    ]


def _decoding(device: str, folder: Path) -> list[Check]:
    return [
        *(Check(2, f"codec {codec.name}", partial(check_codec, codec, device, folder)) for codec in CODECS),
        *(
            Check(2, f"clip {clip.name}", partial(check_clip, clip.name, device, folder))
            for clip in barcode_clips.CLIPS
        ),
        *(
            Check(2, f"damaged {name}", partial(check_damaged, name, device, folder))
            for name in broken_clips.DAMAGED
        ),
        *(
            Check(2, f"colours {clip.name}", partial(check_colours, clip, device, folder))
            for clip in colour_clips.CLIPS
        ),
    ]


def _engines(device: str, folder: Path) -> list[Check]:
    kinds = (*KINDS, *(REHEARSED if device == "cpu" else ()))
    checks: list[Check] = []
    for kind in kinds:
        checks.append(Check(3, kind.name, partial(check_engine, kind, device, folder)))
        if kind.profile is None:
            checks.append(Check(3, f"{kind.name}, 8 threads", partial(check_threads, kind, device, folder)))
    rehearsed = ("f32", "fp16", "int8") if device == "cpu" else ()
    checks += [
        Check(3, f"tensorrt-rtx {precision} for other GPUs", partial(check_cross_build, precision, folder))
        for precision in rehearsed
    ]
    return checks


def _infer(device: str, folder: Path) -> list[Check]:
    return [
        *(
            Check(4, f"infer {kind.name}", partial(_infer_with, kind, device, folder), limit_s=120)
            for kind in INFERRED
        ),
        Check(4, "all GPUs at once", partial(check_all_gpus, device, folder)),
    ]


def _infer_with(kind: Kind, device: str, folder: Path) -> Measured:
    require_kind(kind, device)
    return check_infer(Side(kind.engine, kind.precision, device), folder)
