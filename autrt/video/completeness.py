"""Detection of frames that are missing although the decoder raised no error."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from autrt.video.clock import FAR_S, FrameClock, RateClock
from autrt.video.container import is_too_long, time_base_of
from autrt.video.due_frames import DueFrames
from autrt.video.framing.flash_video import lacks_stated_bytes
from autrt.video.framing.follow import FramingCheck
from autrt.video.joined_file import joined_at
from autrt.video.loss_log import LossLog
from autrt.video.outer_size import is_whole
from autrt.video.pyav_compat import exact
from autrt.video.stamp_jumps import StampJumps
from autrt.video.timing import LONGEST_S

_STATE_DURATION: Final = ("mov,", "matroska,", "flv", "nut")
"""Formats whose header states the duration, even where the rest of the file is missing."""

_MAY_COUNT_FROM_ZERO: Final = ("matroska,", "flv")
"""Formats whose stated duration may be the time of their end, also where they begin later than at 0."""

_NOTHING_FOLLOWS: Final = ("flv", "ivf")
"""Formats in which packets go on to the end of the file."""

_STATES_COUNT: Final = "avi"
"""Format that states its number of frames, and has neither times nor checksums that would show a missing one."""

_LEAST_BYTES: Final = 24
"""Bytes of a frame without content: head of its chunk, entry in the index. A count that needs more is wrong."""

_READ_ALONE: Final = ("mov,", "asf")
"""Formats of which FFmpeg reads the first file alone, or leaves out some of the next."""

_UNREAD_BYTES: Final = 4096
_UNREAD: Final = 0.02
"""So many bytes, and this share of the file, may follow the last packet there."""

_TOLERANCE_S: Final = 0.5
_TOLERANCE: Final = 0.02
"""A file is complete if it ends at most this time, plus this share of its duration, before its stated end."""

_FLV_STEP_S: Final = 0.001
"""Unit of the times of Flash Video: one that lacks bytes of its stated length, too, ended early by more than it."""

_LATEST_S: Final = 60
"""A packet that is shown so much later than it is decoded, or earlier than the one before, has an absurd time."""

_STEPS_EARLY: Final = 0.5
"""Mean steps by which a stream may end before the end that an MP4 or QuickTime file states."""


class CompletenessCheck:
    """Compares the packets of a file with the frames that were decoded from them."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        clock: FrameClock,
        losses: LossLog,
    ) -> None:
        """Begin a check.

        Args:
            path: the file.
            container: the same, opened.
            stream: its video stream.
            clock: converts packets' times.
            losses: receives frames that are missing without an error.
        """
        self._path = path
        self._container = container
        self._start_s = Fraction(container.start_time or 0, 1_000_000)
        self._stream = stream
        self._clock = clock
        self._losses = losses
        self._framing = FramingCheck(path, container.format.name)
        self._jumps = StampJumps(path, container.format.name, stream)
        self._gap = False
        """Whether the file is broken after the last packet that was sent."""
        self._last_s = Fraction(-FAR_S)
        self._own_end: int | None = None
        """End of the stream's latest packet so far, in its ticks."""
        self._last_byte = 0
        self._stored = 0
        """Packets of the stream that were read, empty ones too."""
        self._before: int | None = None
        """Stamp of the last packet that was sent."""
        self._stamped = not isinstance(clock, RateClock)
        numbered_only = container.format.name == _STATES_COUNT
        codec = stream.codec_context.codec.canonical_name
        self._due = DueFrames(codec, stamped=self._stamped and not numbered_only)

    def packet_read(self, packet: Packet[Stream]) -> None:
        """Record a packet of any stream that was read."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        base = exact(packet.time_base)
        if stamp is not None and base is not None:
            end_s = (stamp + (packet.duration or 0)) * base
            if end_s > self._last_s and end_s - self._start_s <= FAR_S:
                self._last_s = end_s
        self._last_byte = max(self._last_byte, (packet.pos or 0) + packet.size)
        if packet.stream_index == self._stream.index:
            self._own_packet_read(packet, stamp)
        if packet.pos is not None and (broken := self._framing.read_to(packet.pos)):
            self._losses.add(self._clock.now_s, broken, 0)
            self._gap = True

    def _own_packet_read(self, packet: Packet[Stream], stamp: int | None) -> None:
        # PyAV ends every stream with a packet without data and stamp.
        self._stored += packet.size > 0 or packet.dts is not None
        if stamp is not None:
            end = stamp + (packet.duration or 0)
            self._own_end = end if self._own_end is None else max(end, self._own_end)
        if packet.dts is not None:
            self._jumps.add(packet.dts, packet.pos, self._clock.now_s)

    def packet_sent(self, packet: Packet[VideoStream]) -> bool:
        """Record a packet that goes to the decoder; return whether packets before it may be missing."""
        self._due.packet_sent(packet)
        if packet.pts is not None:
            if packet.is_discard:
                self._log_absurd(packet, packet.pts if self._before is None else self._before)
            self._before = packet.pts
        gap, self._gap = self._gap, False
        return gap

    def packet_failed(self) -> None:
        """Record that the decoder refused the last packet; the caller logs the loss."""
        self._due.packet_failed()

    def frame_decoded(self, picture: VideoFrame) -> None:
        """Record a decoded frame."""
        self._log_missing(self._due.frame_decoded(picture))

    def finish(self) -> None:
        """Log frames that are still due at the end or were never in the file, an unread part, and an early end."""
        self._log_missing(self._due.finish())
        self._log_unread()
        self._log_early_end()
        self._log_vanished()
        self._log_unreached()
        if broken := self._framing.finish():
            self._losses.add(self._clock.now_s, broken, 0)
        for jump in self._jumps.found():
            self._losses.add(jump.time_s, jump.reason, jump.packets)

    def close(self) -> None:
        """Let go of the file."""
        self._framing.close()

    def _log_absurd(self, packet: Packet[VideoStream], before: int) -> None:
        """Log a packet that is not shown as its time is absurd; FFmpeg hides what is outside of an edit list.

        Args:
            packet: has a stamp.
            before: stamp of the packet before it.
        """
        assert packet.pts is not None, "the caller knows it"
        base = time_base_of(self._stream)
        late = packet.pts - (packet.pts if packet.dts is None else packet.dts)
        is_far = max(late, before - packet.pts) * base > _LATEST_S
        if is_far or (packet.pts - before) * base > LONGEST_S:
            self._losses.add(self._clock.now_s, "a packet is not shown, as its time is absurd")

    def _log_unread(self) -> None:
        name = self._container.format.name
        if name.startswith(_READ_ALONE) and joined_at(self._path) is not None:
            reason = "another file is joined on, which cannot be read as a whole: split the two"
            self._losses.add(self._clock.now_s, reason, 0)
        if name not in _NOTHING_FOLLOWS:
            return
        size = self._container.size
        unread = size - self._last_byte
        if unread > _UNREAD_BYTES and unread > _UNREAD * size:
            reason = (
                f"nothing can be read of the last {unread} bytes: another file may have been joined on here"
            )
            self._losses.add(self._clock.now_s, reason, 0)

    def _log_early_end(self) -> None:
        stated_s = self._stated_duration_s() if self._stamped else None
        if stated_s is None or stated_s > FAR_S or self._last_s == -FAR_S:
            return
        ended_s = float(self._last_s - self._start_s)
        if self._container.format.name.startswith(_MAY_COUNT_FROM_ZERO):
            ended_s = max(ended_s, float(self._last_s))
        is_early = stated_s - ended_s > self._early_end_tolerance_s(stated_s)
        if is_early and not (is_whole(self._path) and is_too_long(stated_s, self._path)):
            reason = f"ended early: {ended_s:.1f} s of the {stated_s:.1f} s that the file states"
            self._losses.add(ended_s, reason, 0)

    def _early_end_tolerance_s(self, stated_s: float) -> float:
        if self._container.format.name == "flv" and lacks_stated_bytes(self._path):
            return _FLV_STEP_S
        return _TOLERANCE_S + _TOLERANCE * stated_s

    def _log_vanished(self) -> None:
        stated = self._stream.frames
        if self._container.format.name != _STATES_COUNT or stated * _LEAST_BYTES > self._container.size:
            return
        if (vanished := stated - self._stored) > 0:
            reason = f"{vanished} of the {stated} frames that the file states are not in it"
            self._losses.add(self._clock.now_s, reason, vanished)

    def _log_unreached(self) -> None:
        """Log frames that an MP4 or QuickTime file lists, but that were not reached, nor the end that it states."""
        stream = self._stream
        missing = stream.frames - self._stored
        if not self._container.format.name.startswith("mov,") or missing <= 0 or not stream.duration:
            return
        if stream.frames > self._container.size:  # not credible
            return
        end = (stream.start_time or 0) + stream.duration
        if self._own_end is not None and end - self._own_end > _STEPS_EARLY * stream.duration / stream.frames:
            reason = f"{missing} of the {stream.frames} frames that the file lists cannot be reached"
            self._losses.add(self._clock.now_s, reason, missing)

    def _log_missing(self, stamps: Sequence[int]) -> None:
        for stamp in stamps:
            self._losses.add(self._clock.seconds(stamp), "no picture came of the packet")

    def _stated_duration_s(self) -> float | None:
        name = self._container.format.name
        if name == "avi" and self._stream.frames:
            return float(self._stream.frames * time_base_of(self._stream))
        if name.startswith(_STATE_DURATION) and self._container.duration:
            return self._container.duration / 1_000_000
        return None
