"""Decoding a whole file with NVIDIA DALI, as `autrt infer --device cuda` does; on a CPU where DALI can."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from autrt.engine.gpu import find_gpus
from autrt.errors import EngineError
from autrt.gpu.dali import DaliDecoder
from autrt.gpu.limits import CODECS
from autrt.types import Source
from autrt.video.probe import probe


def decode_dali(clip: Path) -> int:
    """Decode a file to RGB and return the number of frames.

    Raises:
        EngineError: DALI cannot decode this file here.
    """
    kind = "cuda" if find_gpus() else "cpu"
    codec = probe(Source(clip, clip.name, "video")).codec
    if codec not in CODECS[kind]:
        raise EngineError(f"on a {kind} device, DALI decodes {', '.join(sorted(CODECS[kind]))}, not {codec}")
    with closing(DaliDecoder(clip, kind)) as decoder:
        frames = sum(1 for _ in decoder)
        if decoder.fallback is not None:
            raise EngineError(f"DALI cannot decode it here: {decoder.fallback}")
    return frames
