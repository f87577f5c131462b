"""Colours of a decoder's pictures and crops: saturated patches in every matrix and range."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from autrt.types import Decoder, Image
from autrt.video.pyav import PyavDecoder
from autrt_bench.gpu_check.checks import Failure, Measured
from autrt_bench.gpu_check.machine import require
from autrt_bench.inputs.colour_clips import ColourClip, error_of

FAR: Final = 3.0
"""Largest error of a patch's mean, in grey levels: 8 bits of luma and chroma, and what the encoder loses."""

_WHOLE: Final = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


def check_colours(clip: ColourClip, device: str, folder: Path) -> Measured:
    """Decode patches of known RGB; on the CPU by PyAV.

    Raises:
        Missing: something is not here.
        Failure: a colour is off, or a GPU does not decode the clip.
    """
    require(device, "torch", "nvidia.dali")
    path = clip.write(folder)
    if device == "cpu":
        with closing(PyavDecoder(path)) as decoder:
            return _measured(decoder, "by PyAV")
    from autrt.gpu.dali import DaliDecoder

    with closing(DaliDecoder(path, device)) as decoder:
        measured = _measured(decoder, "")
        if decoder.fallback:
            raise Failure(f"PyAV had to take over: {decoder.fallback}")
        return measured


def _measured(decoder: Decoder, note: str) -> Measured:
    errors = [_errors(frame.image) for frame in decoder]
    picture, crop = (max(column) for column in zip(*errors, strict=True))
    parity = f"±{picture:.1f} in pictures, ±{crop:.1f} in crops (grey levels)"
    if max(picture, crop) > FAR:
        raise Failure(f"other colours: {parity}, expected at most ±{FAR:g}")
    return Measured(parity, note=note)


def _errors(image: Image) -> tuple[float, float]:
    """Return the errors of the picture, and of a crop that is all of it."""
    crop = image.warped(_WHOLE, image.width)[: image.height]
    return error_of(image.rgb()), error_of(crop)
