"""Which tracks of one video show the same person.

The appearance of each track (`face.appearance`, summed over its samples) is compared with that of the people
before it, in order of time. A track joins the person whom it is clearly like, and like nobody else; it begins
a new person where it is clearly unlike all of them; between the two it is left out. Those who are seen at one
time are different.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autrt.types import F32, I32, AppearanceSamples, Faces

UNSURE: Final = -1
"""Person of a track that may be anybody."""
SAMPLES_MIN: Final = 5
"""Samples that a track must have."""
SAME_MIN: Final = 0.6
"""Mean cosine of the appearances from which two tracks show one person."""
OTHER_MAX: Final = 0.2
"""Mean cosine of the appearances up to which they show two."""
MARGIN_MIN: Final = 0.1
"""Least difference to the likeness of the next person."""


@dataclass(slots=True)
class _Seen:
    """A track or a person: where it was seen, and what it looks like."""

    stretches: list[tuple[int, int]]
    """First and last row of each track."""
    appearance: F32
    """(4, 32) float32, the sum over the samples."""
    n_samples: int = 0

    def overlaps(self, other: _Seen) -> bool:
        """Return whether both are seen at one time."""
        return any(a <= d and c <= b for a, b in self.stretches for c, d in other.stretches)

    def likeness(self, other: _Seen) -> float:
        """Return the mean cosine of the parts' appearances."""
        a, b = self.appearance, other.appearance
        length = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
        return float(((a * b).sum(1) / np.maximum(length, np.float32(1e-6))).mean())

    def join(self, track: _Seen) -> None:
        """Take another track of this person."""
        self.stretches += track.stretches
        self.appearance = self.appearance + track.appearance
        self.n_samples += track.n_samples


@dataclass(slots=True)
class People:
    """Gathers the appearances of a video's tracks; memory grows with the tracks alone."""

    _tracks: dict[int, _Seen] = field(default_factory=dict[int, _Seen])

    def add(self, faces: Faces, samples: AppearanceSamples) -> None:
        """Take the next faces, and the appearance of some of them."""
        for row, track in zip(faces.row.tolist(), faces.track.tolist(), strict=True):
            seen = self._tracks.get(track)
            if seen is None:
                self._tracks[track] = _Seen([(row, row)], np.zeros((4, 32), np.float32))
            else:
                seen.stretches[0] = seen.stretches[0][0], row
        for track, appearance in zip(faces.track[samples.face].tolist(), samples.appearance, strict=True):
            seen = self._tracks[track]
            seen.appearance += appearance
            seen.n_samples += 1

    def numbers(self) -> I32:
        """Return the (T,) int32 person of each track by its id, from 0; `UNSURE` where that is not known."""
        out = np.full(max(self._tracks, default=-1) + 1, UNSURE, np.int32)
        people: list[_Seen] = []
        for track, seen in sorted(self._tracks.items()):
            if seen.n_samples < SAMPLES_MIN:
                continue
            found = _person(seen, people)
            if found == len(people):
                people.append(_Seen([*seen.stretches], seen.appearance, seen.n_samples))
            elif found != UNSURE:
                people[found].join(seen)
            out[track] = found
        return out


def _person(track: _Seen, people: list[_Seen]) -> int:
    """Return who a track shows: one of `people`, the next one (`len(people)`), or `UNSURE`."""
    apart = [person.overlaps(track) for person in people]
    likeness = [
        -1.0 if other else person.likeness(track) for person, other in zip(people, apart, strict=True)
    ]
    *_, second, best = sorted([-1.0, -1.0, *likeness])
    if best <= OTHER_MAX:
        return len(people)
    sure = best >= SAME_MIN and best - second >= MARGIN_MIN
    return likeness.index(best) if sure else UNSURE


def counted_anew(people: I32) -> I32:
    """Return (T,) int32 people, numbered from 0 by first appearance again; `UNSURE` stays."""
    numbers = {UNSURE: UNSURE}
    return np.array([numbers.setdefault(p, len(numbers) - 1) for p in people.tolist()], np.int32)
