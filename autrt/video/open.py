"""Open any source with the decoder that suits it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from autrt.extras import load_part
from autrt.plugins import DECODERS as PLUGINS
from autrt.plugins import plugins
from autrt.settings import MAX_PIXELS
from autrt.types import Decoder, Source
from autrt.video.picture_file import holds_several, open_picture_file
from autrt.video.pictures import open_folder, open_still
from autrt.video.still_folder import StillFolder
from autrt.video.unreadable import check_file

log = logging.getLogger(__name__)

OpenVideo = Callable[[Path, str, int], Decoder]
"""Opens a video file; takes its path, the device, and the most pixels of a frame."""

DECODERS: Final[Mapping[str, str]] = {
    "pyav": "autrt.video.pyav:open_pyav",
    "dali": "autrt.gpu.dali:open_dali",
    "pyav-uploaded": "autrt.gpu.upload:open_uploading",
}
"""Name → "module:function" of an `OpenVideo`."""


def find_decoder(name: str) -> OpenVideo:
    """Return the function that opens video files with this decoder.

    Args:
        name: a key of `DECODERS`.

    Raises:
        UsageError: there is no such decoder.
        MissingDependencyError: its library is not installed.
    """
    return load_part("decoder", name, DECODERS)


def open_decoder(
    source: Source,
    *,
    image_rate: Fraction = Fraction(30),
    device: str = "cpu",
    max_pixels: int = MAX_PIXELS,
) -> Decoder:
    """Open a source and decode its first frame.

    Args:
        source: as discovery found it.
        image_rate: pictures a second, for folders of numbered pictures and TIFF files of several pages.
        device: cpu, or cuda:N to decode on that GPU where DALI is installed; its frames stay on the GPU.
        max_pixels: pictures of more pixels are refused before they are decoded; not by other packages' decoders.

    Raises:
        VideoError: nothing of it can be read; the message is the reason.
    """
    if source.kind == "images":
        return open_folder(source.path, image_rate, max_pixels)
    if source.kind == "stills":
        return StillFolder(source.path, max_pixels)
    suffix = source.path.suffix.lower().removeprefix(".")
    if suffix in plugins(PLUGINS):
        return load_part("decoder", suffix, plugins(PLUGINS))(source.path)
    check_file(source.path)
    pictures = open_picture_file(source.path, image_rate, max_pixels)
    if pictures is not None:
        return pictures
    if source.kind == "still" and not holds_several(source.path):
        return open_still(source.path, max_pixels)
    return find_decoder(_decoder_on(device))(source.path, device, max_pixels)


def _decoder_on(device: str) -> str:
    """Return the name of the decoder for video files of a run on a device."""
    if not device.startswith("cuda"):
        return "pyav"
    return "dali" if _has_dali() else "pyav-uploaded"


@cache
def _has_dali() -> bool:
    """Return whether DALI and torch are installed; log a warning, once, where they are not."""
    installed = all(find_spec(name) for name in ("torch", "nvidia", "nvidia.dali"))
    if not installed:
        log.warning("videos are decoded on the CPU: for the GPU's decoder, pip install 'autrt[gpu]'")
    return installed
