"""Choice among the video streams of a container."""

from __future__ import annotations

from typing import Final, cast

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from autrt.errors import VideoError
from autrt.video.peeked_packets import PeekedPackets

_NOT_THE_VIDEO: Final = Disposition.attached_pic | Disposition.timed_thumbnails

_PACKETS: Final = 64
"""Packets of one stream up to which those of the others are counted."""


def ranked_streams(container: InputContainer, peeked: PeekedPackets | None = None) -> list[VideoStream]:
    """Return the video streams, the best one first; never a cover picture.

    A stream of a single picture comes after those of more, and one that is not marked default after those that are.
    Of these, the largest picture is first, but a stream with less than half of the packets of another comes later.

    Args:
        container: the file.
        peeked: its packets, by which streams that do not state their number are counted; without, these count as
            having as many as any.

    Raises:
        VideoError: there is no video stream, or none that can be decoded.
    """
    streams = [s for s in container.streams.video if not s.disposition & _NOT_THE_VIDEO]
    if not streams:
        raise VideoError(f"no video stream in it, {_content(container)}")
    known = [s for s in streams if cast("object | None", s.codec_context) is not None]
    if not known:
        raise VideoError("its video is in a codec that this build of FFmpeg cannot decode")
    if len(known) == 1:
        return known
    packets = _packets(known, peeked)
    most = max(packets.values())

    def place(stream: VideoStream) -> tuple[bool, bool, bool, int, int]:
        own = packets[stream.index]
        is_default = bool(stream.disposition & Disposition.default)
        area = max(0, stream.width) * max(0, stream.height)
        return own <= 1 < most, not is_default, 2 * own < most, -area, stream.index

    return sorted(known, key=place)


def _packets(streams: list[VideoStream], peeked: PeekedPackets | None) -> dict[int, int]:
    """Return stream index → number of its packets, all of them or the first ones."""
    stated = {stream.index: stream.frames for stream in streams}
    if all(number > 0 for number in stated.values()):
        return stated
    if peeked is None:
        return dict.fromkeys(stated, _PACKETS)
    counts = peeked.counts(set(stated), _PACKETS)
    return {index: counts[index] for index in stated}


def _content(container: InputContainer) -> str:
    """Describe the streams of a file without video."""
    streams = container.streams
    kinds = {
        "a cover picture": streams.video,
        "attachment": streams.attachments,
        "audio": streams.audio,
        "data": streams.data,
        "subtitle": streams.subtitles,
    }  # a stream's `type` would crash PyAV 14.2 where damage made it unknown
    found = [kind for kind, of in kinds.items() if of]
    return f"only {' and '.join(found)}" if found else "nor anything else that is known"
