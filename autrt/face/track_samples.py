"""What is remembered of one track's newest faces, to find where another person's go on in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from autrt.face.person_change import SAMPLES, SPAN_FRAMES, Change, Pictures, Sample, changes


@dataclass(slots=True)
class TrackSamples:
    """A track's samples since its last change of person, and its small faces."""

    samples: list[Sample] = field(default_factory=list[Sample])
    faces: Pictures = field(default_factory=Pictures)

    def change(self, after: int, scene: Pictures, *, ends: bool) -> Change | None:
        """Return the likeliest change of person to `samples[after]`, if there is one.

        Args:
            after: index of the first sample of what may be another person; none if it is below 1.
            scene: thumbnails of the frames.
            ends: whether the track ends, so that fewer samples than usual must do.
        """
        if after < 1:
            return None
        found = changes(self.samples, after, scene, self.faces, ends)
        return max(found, key=lambda change: change.log_odds, default=None)

    def begin_anew(self, change: Change) -> None:
        """Drop the samples of the person before."""
        self.samples = [sample for sample in self.samples if sample.row >= change.last]

    def forget(self) -> None:
        """Drop samples and faces that no change needs any more."""
        oldest = self.samples[-1].row - 2 * SPAN_FRAMES
        while len(self.samples) > 2 * SAMPLES and self.samples[SAMPLES].row < oldest:
            del self.samples[0]
        self.faces.forget(self.samples[0].row)
