"""Kinds of damage to files: what happens on the way from a camera to an archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

_TS_BYTES: Final = 188

Damage = Callable[[bytes, Random], bytes]


def lose_ts_packets(data: bytes, random: Random) -> bytes:
    """One to four transport packets from the middle that never came."""
    count = len(data) // _TS_BYTES
    start, lost = random.randrange(count * 3 // 10, count * 7 // 10), random.randint(1, 4)
    return data[: start * _TS_BYTES] + data[(start + lost) * _TS_BYTES :]


def flip_bits(data: bytes, random: Random) -> bytes:
    """Eight flipped bits in the middle."""
    out = bytearray(data)
    for _ in range(8):
        out[random.randrange(len(data) * 3 // 10, len(data) * 7 // 10)] ^= 1 << random.randrange(8)
    return bytes(out)


def cut_off(data: bytes, random: Random) -> bytes:
    """The first part, of 40 to 90 %."""
    return data[: int(len(data) * random.uniform(0.4, 0.9))]


def zero_stretch(data: bytes, random: Random) -> bytes:
    """Two thousand zeros in the middle, at most a sixth of the file: blocks that were never written."""
    length = min(2000, len(data) // 6)
    start = random.randrange(len(data) * 3 // 10, len(data) * 7 // 10)
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def damaged(path: Path, to: Path, damage: Damage, seed: int) -> Path:
    """Write a damaged copy."""
    to.write_bytes(damage(path.read_bytes(), Random(seed)))
    return to
