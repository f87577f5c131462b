"""Aligned crops as sources: folders of numbered crops, and single ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from autrt.errors import UsageError, VideoError
from autrt.settings import MAX_PIXELS
from autrt.storage.escape import escape
from autrt.types import Image, Source
from autrt.video.crop_geometry import CropGeometry, stated_geometry
from autrt.video.pictures import (
    STILL_RATE,
    Picture,
    PictureDecoder,
    codec_of,
    load_file,
    numbered_files,
    picture_number,
)
from autrt.video.unreadable import check_file

LEAST_SIDE_PX: Final = 28
"""Smallest side of a crop that is enlarged: a quarter of the networks' own."""


class CropDecoder(PictureDecoder):
    """A decoder of aligned crops, each of which keeps its own size; a crop of a wrong shape is a loss.

    Args:
        path: as for `PictureDecoder`.
        kind: as for `PictureDecoder`.
        files: frame index and file of each crop, in order of the index.
        rate: as for `PictureDecoder`.
        geometry: as stated beside the crops; None: crops of any size, without a margin.
        max_pixels: pictures of more pixels are losses.

    Raises:
        VideoError: no picture can be decoded, or none is a crop.
    """

    def __init__(
        self,
        path: Path,
        kind: Literal["images", "still"],
        files: Sequence[tuple[int, Path]],
        rate: Fraction,
        *,
        geometry: CropGeometry | None,
        max_pixels: int,
    ) -> None:
        self._stated = geometry
        self.geometry = geometry or CropGeometry()
        """Template and margin of the crops."""
        self.resized: set[int] = set()
        """Sides of the pictures so far that the networks take at another size, in pixels."""
        pictures = [Picture(index, index, partial(load_file, file, max_pixels)) for index, file in files]
        super().__init__(path, kind, pictures, rate, codec=codec_of(files))

    def _fitted(self, image: Image) -> Image:
        """Return a crop unchanged after checking its size."""
        width, height = image.width, image.height
        side = self.geometry.side_px
        if self._stated is not None and (width, height) != (side, side):
            raise VideoError(
                f"expected an aligned crop of {side}×{side} pixels, as the crop.json above it says, found {width}×"
                f"{height}: cut it anew with `autrt crop`"
            )
        if width != height or width < LEAST_SIDE_PX:
            raise VideoError(
                f"expected an aligned crop, a square of {LEAST_SIDE_PX} pixels or more, found {width}×{height}: "
                "cut it with `autrt crop`, or recognise whole pictures without --aligned"
            )
        if width != side:
            self.resized.add(width)
        return image


def open_crops(source: Source, rate: Fraction, template: str, max_pixels: int = MAX_PIXELS) -> CropDecoder:
    """Open a folder of numbered crops, or a single one.

    Args:
        source: as discovery found it.
        rate: pictures a second.
        template: the alignment that the model expects.
        max_pixels: pictures of more pixels are losses.

    Raises:
        VideoError: the source is a video, no picture of it can be decoded, none is a crop, or they follow another
            template.
    """
    if source.kind == "video":
        raise VideoError("expected aligned crops, found a video: recognise it without --aligned")
    try:
        geometry = stated_geometry(source.path)
    except UsageError as error:
        raise VideoError(str(error)) from error
    if geometry is not None and geometry.template != template:
        raise VideoError(
            f"the crops are aligned to the template {geometry.template!r}, the model expects {template!r}: cut "
            "them anew with `autrt crop --model` and this model"
        )
    if source.kind == "images":
        files = numbered_files(source.path)
        return CropDecoder(source.path, "images", files, rate, geometry=geometry, max_pixels=max_pixels)
    check_file(source.path)
    files = [(0, source.path)]
    return CropDecoder(source.path, "still", files, STILL_RATE, geometry=geometry, max_pixels=max_pixels)


def crop_sources(sources: Sequence[Source]) -> list[Source]:
    """Return the sources, with the only numbered picture of a folder as the folder that it is.

    Discovery takes two numbered pictures for a video and one for a still, but one crop may be all that a video has.
    """
    return [_as_folder(source) for source in sources]


def _as_folder(source: Source) -> Source:
    above = PurePosixPath(source.relative).parent
    if source.kind != "still" or above == PurePosixPath() or picture_number(source.path.name) is None:
        return source
    return Source(source.path.parent, above.as_posix(), "images")


def require_template(stated: str | None, template: str, model: str) -> str:
    """Return the template that crops are said to follow, by default the model's.

    Raises:
        UsageError: the model expects another one.
    """
    if stated is not None and stated != template:
        raise UsageError(
            f"--template {escape(stated)}: expected the model's, {template!r}: {model} recognises crops of that "
            "alignment alone; cut them anew with `autrt crop --model` and this model"
        )
    return template
