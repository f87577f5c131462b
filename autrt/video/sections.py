"""Where a long video can be split into sections that are processed side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.video.packet_scan import IrregularFileError, PacketScan

WARM_UP_S: Final = 5.0
"""Video that is processed before a section's own first frame: in that time the detection schedule and the memory
of lost tracks nearly always become those of a run from the start."""


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive frames of a video, by their rows in its frame table."""

    entry_row: int
    """A frame from which on decoding can begin, at or before the first."""
    first_row: int
    end_row: int
    """The row after the last one."""


def sections_of(scan: PacketScan, length_s: float, warm_up_s: float = WARM_UP_S) -> list[Section]:
    """Split a video into sections of about equal length; one if it is too short for two.

    Args:
        scan: of the video.
        length_s: wanted length of a section.
        warm_up_s: least time from a section's entry to its first frame.

    Raises:
        IrregularFileError: it has no frames at which a section could be entered.
    """
    time_s = scan.time_s
    parts = round(float(time_s[-1] - time_s[0]) / length_s)
    if parts < 2:
        return [Section(0, 0, len(time_s))]
    entries = np.searchsorted(scan.pts, scan.entry_pts)
    if not len(entries) or entries[0]:
        raise IrregularFileError(f"no picture of {scan.info.codec} is known to start anew at its beginning")
    seams: list[tuple[int, int]] = [(0, 0)]
    for target_s in np.linspace(time_s[0], time_s[-1], parts + 1)[1:-1].tolist():
        before = entries[time_s[entries] <= target_s - warm_up_s]
        entry = int(before[-1]) if len(before) else 0
        first = int(np.searchsorted(time_s, time_s[entry] + warm_up_s))
        if entry > seams[-1][1]:
            seams.append((entry, first))
    if len(seams) == 1:
        raise IrregularFileError("it has no key frames in its middle at which all pictures start anew")
    ends = [first for _, first in seams[1:]] + [len(time_s)]
    return [Section(entry, first, end) for (entry, first), end in zip(seams, ends, strict=True)]


def entry_before(scan: PacketScan, row: int, time_s: float) -> int:
    """Return the row of the last frame where decoding can begin that is `time_s` or more before a row; else 0."""
    entries = np.searchsorted(scan.pts, scan.entry_pts)
    before = entries[scan.time_s[entries] <= scan.time_s[row] - time_s]
    return int(before[-1]) if len(before) else 0
