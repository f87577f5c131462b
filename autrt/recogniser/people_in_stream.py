"""Changes of person in a live stream, told from the past alone.

The evidence is that of `face.person_change`. A file is looked at ahead, and its track ends where the change
began; a stream's ends on the detection frame on which the other person has enough samples.
"""

from __future__ import annotations

import math

from autrt.face.appearance import appearance
from autrt.face.person_change import SAMPLE_INTERVAL_S, SAMPLES, SPAN_FRAMES, Pictures, Sample
from autrt.face.shots import THUMBNAIL
from autrt.face.track_samples import TrackSamples
from autrt.types import U8, Faces, Frame


class PeopleInStream:
    """Remembers the last pictures and faces of a stream. Frames must come in order."""

    def __init__(self) -> None:
        self._scene = Pictures()
        self._tracks: dict[int, TrackSamples] = {}
        self._newest: dict[int, int] = {}
        """Number of the last frame with each track."""
        self._sampled_s = -math.inf

    def see(self, frame: Frame, faces: Faces, small: U8) -> None:
        """Take the next frame and its (F, 28, 28) small faces."""
        self._scene.by_row[frame.index] = frame.image.thumbnail(*THUMBNAIL)
        for track, face in zip(faces.track.tolist(), small, strict=True):
            self._tracks.setdefault(track, TrackSamples()).faces.by_row[frame.index] = face
            self._newest[track] = frame.index

    def changed(self, frame: Frame, faces: Faces, small: U8) -> list[int]:
        """Sample the faces detected in the frame that was seen last; return the tracks that show another person.

        These tracks are forgotten: their faces must get others.
        """
        if frame.time_s - self._sampled_s < SAMPLE_INTERVAL_S or not len(faces):
            return []
        self._sampled_s = frame.time_s
        found = zip(faces.track.tolist(), appearance(small), strict=True)
        changed = [track for track, numbers in found if self._changes(track, Sample(frame.index, numbers))]
        for track in changed:
            del self._tracks[track], self._newest[track]
        self._forget(frame.index)
        return changed

    def _changes(self, track: int, sample: Sample) -> bool:
        """Add a track's sample; return whether it is the last one needed for a change."""
        past = self._tracks[track]
        past.samples.append(sample)
        change = past.change(len(past.samples) - SAMPLES, self._scene, ends=False)
        past.forget()
        return change is not None

    def _forget(self, index: int) -> None:
        """Drop tracks that ended, and pictures that no change needs any more."""
        for track in [track for track, newest in self._newest.items() if newest < index - SPAN_FRAMES]:
            del self._tracks[track], self._newest[track]
        self._scene.forget(index - 3 * SPAN_FRAMES)
