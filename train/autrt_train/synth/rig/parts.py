"""Parts of a head in the order of a rig's vertices, and its landmarks; those of ICT-FaceKit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from autrt.types import Bool

RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
NOSE_TIP, RIGHT_CORNER, LEFT_CORNER = 30, 48, 54
UPPER_LIP, LOWER_LIP = [61, 62, 63], [67, 66, 65]
"""Rows of `Rig.landmarks`: Multi-PIE's 68 points. Right and left are the subject's."""


@dataclass(frozen=True, slots=True)
class Parts:
    """End of each part of the head in the order of vertices; a part starts where the one before ends."""

    narrow: int
    """The face without ears, neck and forehead's upper rim."""
    face: int
    head: int
    """Back of the head and neck."""
    mouth: int
    """Inside of the mouth."""
    sockets: int
    """Surroundings of the eyeballs."""
    gums: int
    """Gums and tongue."""
    teeth: int
    left_eye: int
    right_eye: int

    def of(self, name: str) -> slice:
        """Return the vertices of one part; `face` includes `narrow`."""
        names = [f.name for f in fields(self)]
        before = names[names.index(name) - 1]
        start = 0 if name in ("narrow", "face") else int(getattr(self, before))
        return slice(start, int(getattr(self, name)))


def inside_mouth(parts: Parts) -> Bool:
    """Return (V,) True for vertices that are only seen through parted lips."""
    inside = np.zeros(parts.right_eye, np.bool_)
    for name in ("mouth", "gums", "teeth"):
        inside[parts.of(name)] = True
    return inside


ICT_PARTS: Final = Parts(
    narrow=6706, face=9409, head=11248, mouth=13294, sockets=14062, gums=17039, teeth=21451,
    left_eye=22221, right_eye=22991,
)  # fmt: skip
ICT_RIGHT_EYEBALL: Final = slice(23021, 23791)
"""The eyeballs' whites hide the iris meshes behind them, which are left out, as are lashes and tear fluid."""

ICT_LANDMARKS: Final = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360,
    1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517,
    5966,
)  # fmt: skip
