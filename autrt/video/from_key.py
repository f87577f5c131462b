"""Pictures of an intact file from a key frame within it on."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.video.container import time_base_of
from autrt.video.damage_messages import decoder_damage
from autrt.video.ffmpeg_log import FFmpegLog
from autrt.video.packet_scan import IrregularFileError

_EARLIER_S: Final = 1
"""Seconds before a packet from which on it is looked for."""


def seek_before(container: InputContainer, stream: VideoStream, pts: int) -> None:
    """Go to a place before a packet: in transport streams, times lead to a place near it only."""
    container.seek(max(0, pts - int(_EARLIER_S / time_base_of(stream))), stream=stream)


def pictures_from(
    container: InputContainer, stream: VideoStream, log: FFmpegLog, key_pts: int
) -> Generator[VideoFrame, None, None]:
    """Yield the pictures from the key frame at `key_pts` on, which is still to be read; none if it does not come.

    Pictures that are shown before the key frame may refer to what was not decoded: they and their errors are
    passed over.

    Raises:
        IrregularFileError: the decoder finds damage.
        av.error.FFmpegError: the file cannot be read, or a packet not be decoded.
    """
    has_begun = False
    for packet in container.demux(stream):
        has_begun = has_begun or packet.pts == key_pts
        if not has_begun:
            continue
        log.take()
        with log:
            pictures = stream.decode(packet)
        is_leading = packet.pts is not None and packet.pts < key_pts
        if not is_leading and (damage := decoder_damage(log.take())):
            raise IrregularFileError(damage)
        yield from (picture for picture in pictures if picture.pts is not None and picture.pts >= key_pts)
