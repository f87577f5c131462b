"""Frames that a damaged file should have, and that its demuxer passes over in silence."""

from __future__ import annotations

from typing import Final

from av.container import InputContainer
from av.video.stream import VideoStream

_STATES_COUNT: Final = "avi"
"""Format that states its number of frames, and has neither times nor checksums that would show a missing one."""

_LEAST_BYTES: Final = 24
"""Bytes of a frame without content: head of its chunk, entry in the index. A count that needs more is wrong."""


def vanished_frames(container: InputContainer, stream: VideoStream, packets: int) -> int:
    """Return the number of frames that a file states beyond the packets that were read of its video stream.

    Args:
        container: the file, read to its end.
        stream: its video stream.
        packets: read of the stream, empty ones too.
    """
    if container.format.name != _STATES_COUNT or stream.frames * _LEAST_BYTES > container.size:
        return 0
    return max(0, stream.frames - packets)
