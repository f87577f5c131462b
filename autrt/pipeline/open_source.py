"""Opening of a run's source: a video, pictures, or aligned crops."""

from __future__ import annotations

from autrt.settings import InferSettings
from autrt.types import Decoder, Source
from autrt.video.crops import open_crops
from autrt.video.open import open_decoder


def open_source(source: Source, settings: InferSettings, device: str = "cpu") -> Decoder:
    """Open a source as the settings say and decode its first frame.

    Raises:
        VideoError: nothing of it can be read, or it holds no aligned crops where the settings say so.
    """
    if settings.aligned is not None:
        return open_crops(source, settings.image_rate, settings.aligned, settings.max_pixels)
    return open_decoder(source, image_rate=settings.image_rate, device=device, max_pixels=settings.max_pixels)
