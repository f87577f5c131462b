"""Frames that a damaged file should have, and that its demuxer passes over in silence."""

from __future__ import annotations

from typing import Final

from av.container import InputContainer
from av.video.stream import VideoStream

_STATES_COUNT: Final = "avi"
"""Format that states its number of frames, and has neither times nor checksums that would show a missing one."""


def vanished_frames(container: InputContainer, stream: VideoStream, packets: int) -> int:
    """Return the number of frames that a file states beyond the packets that were read of its video stream.

    Args:
        container: the file, read to its end.
        stream: its video stream.
        packets: read of the stream, empty ones too.
    """
    return max(0, stream.frames - packets) if container.format.name == _STATES_COUNT else 0
