"""Edit lists of MP4 and QuickTime files, which say what part of a stream is shown when."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from av.container import InputContainer
from av.video.stream import VideoStream

from autrt.video.container import durations_absurd
from autrt.video.peeked_packets import PeekedPackets

WITHOUT_EDITS: Final[Mapping[str, str]] = {"ignore_editlist": "1"}
"""Options that let FFmpeg show everything."""

_MOST_PACKETS: Final = 100_000


def edits_hide(container: InputContainer, stream: VideoStream, peeked: PeekedPackets) -> bool:
    """Return whether an edit list cannot be right: it shows one frame of many, or counts by times that are absurd.

    A list that shows a short part is kept, as it is how editors cut a video without a copy.
    """
    if not container.format.name.startswith("mov,") or stream.frames < 2:
        return False
    if durations_absurd(container, stream):
        return True
    shown = (packet for packet in peeked.of(stream.index, _MOST_PACKETS) if not packet.is_discard)
    return len(list(islice(shown, 2))) < 2 and peeked.ended
