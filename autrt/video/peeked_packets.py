"""A container's packets, of which the first ones can be looked at before they are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import Final

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from autrt.video.ffmpeg_log import FFmpegLog, Message

_MOST_BYTES: Final = 16 << 20
"""Size of the packets, of all streams, up to which is read ahead."""


class PeekedPackets:
    """A container's packets.

    Attributes:
        packets: all packets of the container; once they are taken from here, none can be looked at any more.
        ended: whether the end of the file was reached.
    """

    def __init__(self, container: InputContainer, log: FFmpegLog | None = None) -> None:
        """Begin at the first packet.

        Args:
            container: the file.
            log: catches FFmpeg's messages while packets are looked at, and gives each when its packet is taken.
        """
        self._source = container.demux()
        self._log = log
        self._peeked: list[tuple[Packet[Stream], list[Message]]] = []
        self._size_bytes = 0
        self._error: FFmpegError | IndexError | None = None
        self.ended = False
        self.packets: Iterator[Packet[Stream]] = self._all()

    def of(self, index: int, most: int) -> Generator[Packet[Stream], None, None]:
        """Yield the first packets of a stream, at most `most`; fewer where other streams are large before them."""
        place = 0
        while most and (place < len(self._peeked) or self._read()):
            packet, _ = self._peeked[place]
            place += 1
            if packet.stream_index == index and packet.size:
                most -= 1
                yield packet

    def counts(self, indices: set[int], most: int) -> Counter[int]:
        """Return how many packets each stream has among the first ones: up to those where one has `most`."""
        found: Counter[int] = Counter()
        place = 0
        while max(found.values(), default=0) < most and (place < len(self._peeked) or self._read()):
            packet, _ = self._peeked[place]
            place += 1
            if packet.stream_index in indices and packet.size:
                found[packet.stream_index] += 1
        return found

    def _read(self) -> bool:
        """Read one more packet; return False where there is none, or enough was read."""
        if self._error is not None or self._size_bytes >= _MOST_BYTES:
            return False
        try:
            packet = next(self._source, None)
        except (FFmpegError, IndexError) as error:
            self._error = error
            return False
        if packet is None:
            self.ended = True
            return False
        self._peeked.append((packet, self._log.take() if self._log is not None else []))
        self._size_bytes += packet.size
        return True

    def _all(self) -> Generator[Packet[Stream], None, None]:
        peeked, self._peeked = self._peeked[::-1], []
        while peeked:
            packet, messages = peeked.pop()
            if self._log is not None and messages:
                self._log.put_back(messages)
            yield packet
        if self._error is not None:
            raise self._error
        for packet in self._source:  # "yield from" fails on a generator of PyAV's that has ended
            yield packet
