"""Random damage to a file's bytes, as disks, networks and interrupted copies do it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

_TS_PACKET: Final = 188


def flip_bits(random_: random.Random, data: bytearray) -> bytearray:
    """Flip single bits anywhere but in the first bytes."""
    for _ in range(random_.choice([1, 3, 10, 50])):
        data[random_.randrange(min(64, len(data) - 1), len(data))] ^= 1 << random_.randrange(8)
    return data


def cut_end(random_: random.Random, data: bytearray) -> bytearray:
    """Leave out the end."""
    return data[: random_.randrange(1, len(data))]


def zero_stretch(random_: random.Random, data: bytearray) -> bytearray:
    """Overwrite a stretch with zeros, as in a download whose pieces are missing."""
    start, size = _stretch(random_, data)
    data[start : start + size] = bytes(min(size, len(data) - start))
    return data


def drop_stretch(random_: random.Random, data: bytearray) -> bytearray:
    """Leave out a stretch."""
    start, size = _stretch(random_, data)
    return data[:start] + data[start + size :]


def overwrite_noise(random_: random.Random, data: bytearray) -> bytearray:
    """Overwrite a stretch with random bytes."""
    start, size = _stretch(random_, data)
    size = min(size, len(data) - start)
    data[start : start + size] = random_.randbytes(size)
    return data


def repeat_stretch(random_: random.Random, data: bytearray) -> bytearray:
    """Repeat a stretch, as a copy that was resumed too early does."""
    start, size = _stretch(random_, data)
    return data[: start + size] + data[start:]


def drop_ts_packets(random_: random.Random, data: bytearray) -> bytearray:
    """Leave out whole packets of a transport stream, as a network does."""
    n = len(data) // _TS_PACKET
    lost = set(random_.sample(range(3, n), min(n - 3, random_.choice([1, 4, 10])))) if n > 4 else set()
    kept = (data[i * _TS_PACKET : (i + 1) * _TS_PACKET] for i in range(n) if i not in lost)
    return bytearray(b"".join(kept))


Damage = Callable[[random.Random, bytearray], bytearray]

_ANY: Final[tuple[Damage, ...]] = (
    flip_bits, flip_bits, cut_end, zero_stretch, drop_stretch, overwrite_noise, repeat_stretch,
)  # fmt: skip


def draw_damage(random_: random.Random, container: str, data: bytes) -> tuple[str, bytes]:
    """Return the name of a random damage and the damaged bytes; one in ten files is left whole."""
    if random_.random() < 0.1:
        return "none", data
    damage = random_.choice((*_ANY, drop_ts_packets, drop_ts_packets) if container == "ts" else _ANY)
    changed = bytes(damage(random_, bytearray(data)))
    if changed == data:
        return "none", data
    return (cut_end if data.startswith(changed) else damage).__name__, changed


def _stretch(random_: random.Random, data: bytearray) -> tuple[int, int]:
    size = max(1, int(len(data) * random_.choice([0.001, 0.01, 0.1, 0.3])))
    return random_.randrange(len(data)), size
