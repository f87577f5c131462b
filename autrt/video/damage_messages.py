"""Which of FFmpeg's errors tell of damage to pictures, and how they are put into a results file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from autrt.video.ffmpeg_log import Message
from autrt.video.transport_stream import TRANSPORT_STREAM, is_seam

_OF_DEMUXERS: Final = re.compile(
    r"CRC mismatch"  # Ogg
    r"|checksum|read_timestamp failed"  # NUT
    r"|broken header|contradictionary"  # MP4, QuickTime
    r"|File ended prematurely|invalid as first byte of an EBML number"  # Matroska
    r"|exceeds containing master element|indicated by an EBML number"
    r"|Invalid track number|Error parsing frame sizes"
    r"|Packet mismatch"  # Flash Video
    r"|ff asf"  # Windows Media
    r"|edit unit sync lost"  # MXF
    r"|Failed to parse temporal unit|Failed to read unit"  # bitstream filters of AV1 and VP9
    r"|[Tt]runcat|[Dd]amaged|[Cc]orrupt",
)
"""Errors of demuxers that tell of lost data; most others are about headers, indices, attachments or edit lists."""

_HARMLESS: Final = re.compile(
    r"mmco: unref short"  # H.264: a reference that is gone already is to be removed
    r"|illegal short term buffer state"
    r"|number of reference frames .* exceeds max"
    r"|co located POCs unavailable"  # H.264: leading pictures of a first group; those are marked
    r"|SEI|VUI|[Oo]verread [SPV]PS"  # metadata
    r"|unable to decode APP fields"  # Motion JPEG
    r"|ext header"  # MS-MPEG-4, WMV
    r"|ignoring GOP_START_CODE|ignoring pic cod ext",  # MPEG-2
)
"""Errors of decoders that also come of sound files, and change no picture that FFmpeg does not mark itself."""

_NUMBER: Final = re.compile(r"[-+]?\b(0x)?[0-9A-Fa-f]*[0-9][0-9A-Fa-f]*\b")
_LONGEST: Final = 80


def container_damage(
    messages: Iterable[Message],
    packet: Packet[VideoStream] | None,
    container: InputContainer,
    stream: VideoStream,
    path: Path,
) -> str:
    """Return a reason for a loss where a file's demuxer or parser found damage; else an empty text.

    Args:
        messages: caught while the file was opened or read, since the last packet. Those of decoders and about other
            streams are passed over.
        packet: the stream's packet that was read then; None at the end.
        container: the file.
        stream: its video stream.
        path: of the file.
    """
    sources = container.format.name, stream.codec_context.name
    found = (m.text for m in messages if m.source in sources and _OF_DEMUXERS.search(m.text))
    if text := next(found, ""):
        return _reason("the container is damaged", text)
    if packet is None or not packet.is_corrupt:
        return ""
    is_joint = container.format.name == TRANSPORT_STREAM and is_seam(path, packet.pos)
    return "" if is_joint else "the container marks a packet as damaged"


def decoder_damage(messages: Iterable[Message]) -> str:
    """Return a reason for a loss where the decoder found damage, concealed or not; else an empty text.

    Args:
        messages: caught while a packet was decoded.
    """
    found = (m.text for m in messages if not _HARMLESS.search(m.text))
    return _reason("the decoder found damage", next(found, ""))


def without_numbers(text: str) -> str:
    """Return a library's message on one line, without its numbers, so that losses of one kind can be merged."""
    words = " ".join(_NUMBER.sub("…", text).split())
    return "".join(c if c.isprintable() else "?" for c in words)[:_LONGEST]


def _reason(what: str, text: str) -> str:
    return f"{what}: {without_numbers(text)}" if text else ""
