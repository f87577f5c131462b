"""Noticing what a file promised and did not give, where no error tells it."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.video.container import rate_of
from autrt.video.loss_log import LossLog
from autrt.video.pyav_compat import exact
from autrt.video.timing import FAR_S, RateClock, Times

_ONE_PICTURE_A_PACKET: Final = frozenset({"h264", "hevc"})
"""Codecs of which every packet of a progressive stream makes one picture: a missing one is a loss."""

_STATE_THEIR_LENGTH: Final = ("mov,", "matroska,", "flv")
"""Formats whose head says how long the file lasts, even where the rest of it is missing."""

_TOLERANCE_S: Final = 0.5
_TOLERANCE: Final = 0.02
"""A file may end this much (plus this share of its length) before its stated end and count as whole."""


class Audit:
    """Follows the packets of a file and the pictures that come of them."""

    def __init__(self, container: InputContainer, stream: VideoStream, clock: Times, losses: LossLog) -> None:
        """Watch one file; what it lost without a word goes to `losses`."""
        self._container = container
        self._stream = stream
        self._clock = clock
        self._losses = losses
        self._ends: dict[int, Fraction] = {}
        self._awaited: set[int] = set()
        codec = stream.codec_context.codec.canonical_name
        self._stamped = not isinstance(clock, RateClock)
        self._counts = (
            self._stamped and codec in _ONE_PICTURE_A_PACKET and container.format.name != "avi"
        )  # it has no real stamps

    def read(self, packet: Packet[Stream]) -> None:
        """A packet of any stream was read."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        base = exact(packet.time_base)
        if stamp is not None and base is not None:
            end = (stamp + (packet.duration or 0)) * base
            if end > self._ends.get(packet.stream_index, end - 1):
                self._ends[packet.stream_index] = end

    def sent(self, packet: Packet[VideoStream]) -> None:
        """A packet goes to the decoder."""
        if self._counts and packet.pts is not None and not packet.is_discard:
            self._awaited.add(packet.pts)

    def failed(self, packet: Packet[VideoStream]) -> None:
        """The decoder refused a packet; that is told elsewhere."""
        if packet.pts is not None:
            self._awaited.discard(packet.pts)

    def came(self, picture: VideoFrame) -> None:
        """A picture came out. Pictures come in order: what was due before it never comes."""
        if picture.interlaced_frame:
            self._counts = False
            self._awaited.clear()
        if picture.pts is not None:
            self._awaited.discard(picture.pts)
            self._miss({stamp for stamp in self._awaited if stamp < picture.pts})

    def conclude(self) -> None:
        """The file has ended."""
        self._miss(set(self._awaited))
        stated_s = self._stated_length_s() if self._stamped else None
        if stated_s is None or stated_s > FAR_S or not self._ends:
            return
        start_s = (self._container.start_time or 0) / 1_000_000
        ended_s = float(max(self._ends.values())) - start_s
        if stated_s - ended_s > _TOLERANCE_S + _TOLERANCE * stated_s:
            reason = f"ended early: {ended_s:.1f} s of the {stated_s:.1f} s that the file states"
            self._losses.add(ended_s, reason, 0)

    def _miss(self, stamps: set[int]) -> None:
        for stamp in sorted(stamps):
            self._losses.add(self._clock.seconds(stamp), "no picture came of the packet")
        self._awaited -= stamps

    def _stated_length_s(self) -> float | None:
        name = self._container.format.name
        if name == "avi" and self._stream.frames:
            return float(self._stream.frames / rate_of(self._stream))
        if name.startswith(_STATE_THEIR_LENGTH) and self._container.duration:
            return self._container.duration / 1_000_000
        return None
