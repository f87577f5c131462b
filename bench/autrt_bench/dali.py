"""Decoding a whole file with NVIDIA DALI's reader: on a GPU where there is one, otherwise what it can on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from nvidia.dali import fn
from nvidia.dali.pipeline import pipeline_def

from autrt.engine.cpu import available_cores
from autrt.errors import EngineError
from autrt.types import Source
from autrt.video.probe import probe
from autrt_bench.fingerprint import gpus

CPU_CODECS: Final = ("vp8", "vp9", "mjpeg")

SEQUENCE: Final = 10
"""Frames that the reader hands out at a time; a rest that does not fill a sequence is dropped."""


def decode_dali(clip: Path) -> int:
    """How many frames it gave, as RGB.

    Raises:
        EngineError: DALI cannot decode this file here.
    """
    on_gpu = bool(gpus())
    codec = probe(Source(clip, clip.name, "video")).codec
    if not on_gpu and codec not in CPU_CODECS:
        raise EngineError(f"without a GPU, DALI decodes {', '.join(CPU_CODECS)}, not {codec}")
    try:
        pipeline: Any = _read_sequences(
            str(clip), on_gpu, batch_size=1, num_threads=available_cores(), device_id=0 if on_gpu else None
        )
        pipeline.build()
        sequences = int(pipeline.epoch_size("video"))
        for _ in range(sequences):
            pipeline.run()
    except RuntimeError as error:
        raise EngineError(f"DALI cannot decode it here: {' '.join(str(error).split())}") from error
    return sequences * SEQUENCE


@pipeline_def
def _read_sequences(path: str, on_gpu: bool) -> Any:
    device = "gpu" if on_gpu else "cpu"
    return fn.experimental.readers.video(
        device=device, filenames=[path], sequence_length=SEQUENCE, name="video"
    )
