"""Decoding of HEIC and AVIF pictures with FFmpeg, tile by tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from autrt.errors import VideoError
from autrt.types import Image
from autrt.video.colour import BT601, UNSPECIFIED
from autrt.video.container import open_container
from autrt.video.frame_reader import FrameReader
from autrt.video.orientation import UPRIGHT, UprightImage
from autrt.video.pixel_limit import limit_decoder
from autrt.video.planar_image import PlanarImage, Plane
from autrt.video.stills.heif import HeifPicture, heif_picture


def decode_heif(path: Path, data: bytes, max_pixels: int) -> Image:
    """Decode the main picture of a HEIF file, upright; its planes stay as they are stored.

    Args:
        path: the file.
        data: all of its bytes.
        max_pixels: tiles of more pixels are refused.

    Raises:
        VideoError: a part of it cannot be decoded; the message is the reason.
    """
    picture = heif_picture(data)
    try:
        tiles = _tiles(path, picture, max_pixels)
        stored = tiles[0] if len(tiles) == 1 else _joined(tiles, picture)
    except FFmpegError as error:
        raise VideoError(f"picture cannot be decoded: {error.strerror}") from error
    return stored if picture.way == UPRIGHT else UprightImage(stored, picture.way)


def _tiles(path: Path, picture: HeifPicture, max_pixels: int) -> list[PlanarImage]:
    """Decode the items that hold the picture's pixels, in order."""
    decoded: dict[int, PlanarImage] = {}
    try:
        container = open_container(path)
    except VideoError as error:
        raise VideoError("picture cannot be decoded: it is damaged or cut off") from error
    with container:
        streams = [stream for stream in container.streams.video if stream.id in picture.items]
        for stream in streams:
            limit_decoder(stream, max_pixels)
            stream.thread_count = 1
        contexts = {stream.id: stream.codec_context for stream in streams}
        for packet in container.demux(streams) if streams else ():
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    image = _stored(frame, contexts[packet.stream.id])
                    decoded.setdefault(packet.stream.id, image)
    missing = sum(item not in decoded for item in picture.items)
    if missing:
        raise VideoError(
            f"picture cannot be decoded: {missing} of its {len(picture.items)} tiles are damaged, cut off or in a "
            "codec that this build of FFmpeg cannot decode"
        )
    return [decoded[item] for item in picture.items]


def _stored(frame: VideoFrame, context: VideoCodecContext) -> PlanarImage:
    if frame.colorspace == UNSPECIFIED:
        frame.colorspace = BT601  # for pictures of any size (ISO/IEC 23000-22), and so for tiles
    return FrameReader(frame, UPRIGHT, False, context).stored(frame)


def _joined(tiles: list[PlanarImage], picture: HeifPicture) -> PlanarImage:
    """Return one image of a grid of tiles of equal size; what reaches past its right and lower edge is left out."""
    width, height = tiles[0].width, tiles[0].height
    if any((tile.width, tile.height) != (width, height) for tile in tiles):
        raise VideoError("picture cannot be decoded: its tiles are not of one size")
    planes: list[Plane] = []
    for number, plane in enumerate(tiles[0].planes):
        across, down = plane.step
        shape = -(-picture.height // down), -(-picture.width // across), *plane.samples.shape[2:]
        whole = np.zeros(shape, plane.samples.dtype)
        for place, tile in enumerate(tiles):
            row, column = divmod(place, picture.columns)
            target = whole[row * height // down :, column * width // across :]
            part = tile.planes[number].samples[: target.shape[0], : target.shape[1]]
            target[: part.shape[0], : part.shape[1]] = part
        planes.append(Plane(whole, plane.step, plane.first))
    return PlanarImage(tuple(planes), tiles[0].colour)
