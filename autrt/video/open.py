"""The one door to all decoders."""

from __future__ import annotations

import logging
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from autrt.plugins import DECODERS, plugins
from autrt.registry import Registry
from autrt.types import Decoder, Source
from autrt.video.pictures import open_folder, open_still
from autrt.video.pyav import PyavDecoder

log = logging.getLogger(__name__)

_ON_GPU: Final = Registry("decoder", {"cuda": "autrt.gpu.dali:DaliDecoder"})


def open_decoder(
    source: Source, *, image_rate: Fraction = Fraction(30), threads: int = 1, device: str = "cpu"
) -> Decoder:
    """Open a source and decode its first frame.

    Args:
        source: what discovery found.
        image_rate: pictures a second, for folders of numbered pictures.
        threads: how many threads may decode; they change nothing but the speed.
        device: cuda:N decodes there what it can, where DALI is installed; pictures then stay there.

    Raises:
        VideoError: nothing of it can be read; the message is the reason.
    """
    if source.kind == "images":
        return open_folder(source.path, image_rate)
    if source.kind == "still":
        return open_still(source.path)
    suffix = source.path.suffix.lower().removeprefix(".")
    if suffix in plugins(DECODERS):
        return Registry("decoder", plugins(DECODERS)).load(suffix)(source.path)
    if device.startswith("cuda") and _has_dali():
        on_gpu: Any = _ON_GPU.load("cuda")
        return on_gpu(source.path, device)
    return PyavDecoder(source.path, threads)


@cache
def _has_dali() -> bool:
    """Whether it is installed with what it needs; said once where not."""
    there = all(find_spec(name) for name in ("torch", "nvidia", "nvidia.dali"))
    if not there:
        log.warning("videos are decoded on the CPU: for the GPU's decoder, pip install 'autrt[gpu]'")
    return there
