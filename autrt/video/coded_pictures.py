"""Facts about the coded pictures of a stream, read from the heads of its packets without decoding them.

Sources: ITU-T H.264 and H.265, 7.3 and 7.4; ISO/IEC 14496-15 (lengths in place of start codes); RFC 6386, 9.1
(VP8); VP9 Bitstream & Decoding Process Specification 0.6, 6.2 and annex B; ISO/IEC 14496-2, 6.2.5 (MPEG-4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_H264_IDR, _H264_SPS = 5, 7
_HEVC_IDR, _HEVC_SPS = frozenset({19, 20}), 33
_HEVC_PICTURES: Final = range(32)
_HEVC_ENTRIES: Final = range(16, 22)
_WHOLE_KEYS: Final = frozenset(
    {"vp8", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores", "dnxhd"}
)
"""Codecs of which no picture that is shown after a key frame refers to one before it."""

_START_CODE: Final = re.compile(rb"\x00\x00\x01")
_MPEG4_PICTURE: Final = b"\x00\x00\x01\xb6"
_VP9_SYNC_BITS: Final = 24
_HEAD_BYTES: Final = 24
"""Bytes of a VP8 or VP9 packet that hold what is read of its head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedPictures:
    """Facts about all packets of a stream."""

    whole_start: bool = True
    """The first picture starts anew: no picture refers to one before it (an IDR picture in H.264 and HEVC)."""
    one_each: bool = True
    """Every packet holds one picture, which is shown when it is decoded."""
    one_size: bool = True
    """No packet announces another size, or other parameters, than those before it."""


class CodedPicturesReader:
    """Takes the packets of a stream in the order of the file.

    Args:
        codec: FFmpeg's name: h264, hevc, vp8, vp9 or mpeg4; of others it finds nothing.
        extradata: the parameters that the container holds.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._codec, self._extradata = codec, extradata
        self._length_bytes = _length_bytes(codec, extradata)
        self._whole_start: bool | None = None
        self._one_each = True
        self._parameters: set[bytes | tuple[int, int]] = set()

    def add(self, packet: memoryview, is_key: bool) -> None:
        """Take the next packet; `is_key` as the container says."""
        if self._codec in ("h264", "hevc"):
            if is_key or self._whole_start is None:
                self._add_units(bytes(packet))
        elif self._codec == "vp8":
            self._add_vp8(bytes(packet[:_HEAD_BYTES]))
        elif self._codec == "vp9":
            several = _superframe_pictures(packet) > 1
            self._add_vp9(bytes(packet[:_HEAD_BYTES]), several)
        elif self._codec == "mpeg4":
            self._one_each &= bytes(packet).count(_MPEG4_PICTURE) == 1

    def is_entry(self, packet: memoryview) -> bool:
        """Return whether decoding can begin at a packet that the container marks as a key frame.

        Then all pictures that are shown after it are decoded exactly; those that are stored after it but shown
        before it may not be. In H.264 that is an IDR picture (others may take some pictures to be right), in HEVC
        any of random access. False for codecs that are not known here.
        """
        if self._codec not in ("h264", "hevc"):
            return self._codec in _WHOLE_KEYS
        for unit in _units(bytes(packet), self._length_bytes):
            kind = unit[0] & 31 if self._codec == "h264" else unit[0] >> 1 & 63
            if self._codec == "hevc" and kind in _HEVC_PICTURES:
                return kind in _HEVC_ENTRIES
            if self._codec == "h264" and kind in (1, 2, _H264_IDR):
                return kind == _H264_IDR
        return False

    def facts(self) -> CodedPictures:
        """Return the facts about the packets so far."""
        return CodedPictures(
            whole_start=self._whole_start is not False,
            one_each=self._one_each,
            one_size=len(self._parameters) <= 1,
        )

    def _add_units(self, packet: bytes) -> None:
        """Take an H.264 or HEVC packet."""
        for unit in _units(packet, self._length_bytes):
            kind = unit[0] & 31 if self._codec == "h264" else unit[0] >> 1 & 63
            if kind == (_H264_SPS if self._codec == "h264" else _HEVC_SPS):
                self._add_parameters(unit.rstrip(b"\0"))
            if self._whole_start is None and (kind in _HEVC_PICTURES or self._codec == "h264"):
                if self._codec == "hevc":
                    self._whole_start = kind in _HEVC_IDR
                elif kind in (1, 2, _H264_IDR):
                    self._whole_start = kind == _H264_IDR

    def _add_parameters(self, unit: bytes) -> None:
        """Take parameters in the stream; those of the container come before the first of them."""
        if not self._parameters and self._extradata and unit not in self._extradata:
            self._parameters.add(self._extradata)
        self._parameters.add(unit)

    def _add_vp8(self, head: bytes) -> None:
        if len(head) < 3:
            self._one_each = False
            return
        is_shown, is_key = head[0] >> 4 & 1, not head[0] & 1
        self._one_each &= bool(is_shown)
        if is_key and len(head) >= 10:
            size = tuple(int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
            self._parameters.add((size[0], size[1]))

    def _add_vp9(self, head: bytes, several: bool) -> None:
        is_shown, size = _vp9_head(_Bits(head))
        self._one_each &= is_shown and not several
        if size is not None:
            self._parameters.add(size)


class _Bits:
    """Reads bits from the first on; zeros after the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, n: int) -> int:
        """Return the next n bits as a number."""
        self._left -= n
        return (self._value >> self._left if self._left >= 0 else 0) & ((1 << n) - 1)


def _vp9_head(bits: _Bits) -> tuple[bool, tuple[int, int] | None]:
    """Return whether a VP9 picture is coded and shown, and its size where its head states one.

    Of profiles with other formats than 8-bit 4:2:0 the size is not read.
    """
    bits.take(2)
    profile = bits.take(1) + 2 * bits.take(1)
    if bits.take(1):  # shows a picture that was decoded earlier
        return False, None
    is_inter, is_shown, is_resilient = bits.take(1), bool(bits.take(1)), bits.take(1)
    if profile:
        return is_shown, None
    if not is_inter:
        bits.take(_VP9_SYNC_BITS)
        bits.take(4)  # colour space and range
        return is_shown, _vp9_size(bits)
    is_intra_only = 0 if is_shown else bits.take(1)
    bits.take(0 if is_resilient else 2)
    if is_intra_only:
        bits.take(_VP9_SYNC_BITS + 8)
        return is_shown, _vp9_size(bits)
    bits.take(8 + 3 * 4)  # pictures to refresh, and the three that are referred to
    is_of_reference = any(bits.take(1) for _ in range(3))
    return is_shown, None if is_of_reference else _vp9_size(bits)


def _vp9_size(bits: _Bits) -> tuple[int, int]:
    return bits.take(16) + 1, bits.take(16) + 1


def _superframe_pictures(packet: memoryview) -> int:
    """Return the number of pictures that the index at the end of a VP9 packet lists; 1 where there is none."""
    last = packet[-1] if len(packet) else 0
    return (last & 7) + 1 if last >> 5 == 6 else 1


def _length_bytes(codec: str, extradata: bytes) -> int:
    """Return the bytes of the length in front of each unit; 0 where start codes separate them."""
    place = {"h264": 4, "hevc": 21}.get(codec)
    if place is None or len(extradata) <= place or extradata[0] != 1:
        return 0
    return (extradata[place] & 3) + 1


def _units(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield the units of an H.264 or HEVC packet, none of them empty."""
    if not length_bytes:
        starts = [match.end() for match in _START_CODE.finditer(packet)]
        ends = [*(start - 3 for start in starts[1:]), len(packet)]
        yield from (packet[a:b] for a, b in zip(starts, ends, strict=False) if b > a)
        return
    at = 0
    while at + length_bytes < len(packet):
        end = at + length_bytes + int.from_bytes(packet[at : at + length_bytes])
        if end > at + length_bytes:
            yield packet[at + length_bytes : end]
        at = end
