"""Framing of Matroska and WebM: nested elements of an identifier and a length (RFC 8794, RFC 9559)."""

from __future__ import annotations

from typing import Final

from autrt.video.framing.element import Framing

_EBML: Final = 0x1A45DFA3
_SEGMENT, _CLUSTER, _BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA0
_ENTERED: Final = frozenset({_SEGMENT, _CLUSTER, _BLOCK_GROUP})
"""Elements whose own elements are followed; the first two may be of unknown length."""

_OF_SEGMENT: Final = frozenset({
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1043A770, 0x1254C367, 0x1941A469,
})  # fmt: skip
"""Index of these, information, tracks, cues, chapters, tags, attachments."""

_BLOCKS: Final = frozenset({0xA3, 0xA1, 0xA2, 0xAF})
"""Simple blocks, those of groups, virtual and encrypted ones."""

_NUMBERS: Final = frozenset({0xE7, 0xA7, 0xAB, 0x9B, 0xFA, 0xFB, 0xFD, 0x75A2})
"""Time, position and previous length of a cluster; duration, priority, references and padding of a block."""
_LONGEST_NUMBER: Final = 8

_BESIDE_BLOCKS: Final = frozenset({0x5854, 0x75A1, 0xA4, 0x8E, 0xC8})
"""Silent tracks, additions, codec state, slices, reference frame."""

_ANYWHERE: Final = frozenset({0xEC, 0xBF, 0x1B538667})
"""Void, checksum, signature."""

_KNOWN: Final = _ENTERED | _OF_SEGMENT | _BLOCKS | _NUMBERS | _BESIDE_BLOCKS | _ANYWHERE | {_EBML}


def matroska(first: bytes) -> Framing | None:
    """Return the framing of a file that begins with these bytes."""
    found = identifier_and_bytes(first)
    mark = _CLUSTER.to_bytes(4)
    return Framing(length=_element_bytes, mark=mark) if found and found[0] == _EBML else None


def identifier_and_bytes(data: bytes) -> tuple[int, int, int | None] | None:
    """Return what an element says that data begin with; None where they begin with none.

    Returns:
        its identifier, the length in bytes of its identifier and length, and that of its content, None if unknown.
    """
    if not data or not data[0]:
        return None
    of_id = 9 - data[0].bit_length()
    if len(data) <= of_id or not data[of_id]:
        return None
    of_length = 9 - data[of_id].bit_length()
    most = (1 << 7 * of_length) - 1
    length = int.from_bytes(data[of_id : of_id + of_length]) & most
    return int.from_bytes(data[:of_id]), of_id + of_length, None if length == most else length


def _element_bytes(data: bytes) -> int | None:
    """Return the length of the element that data begin with, or of its head where its elements follow."""
    found = identifier_and_bytes(data)
    if found is None or found[0] not in _KNOWN:
        return None
    identifier, head, content = found
    if identifier in _ENTERED:
        return head
    if content is None or (identifier in _NUMBERS and content > _LONGEST_NUMBER):
        return None
    return head + content
