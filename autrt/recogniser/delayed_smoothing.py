"""Smoothing of a video that is still being decoded: each frame is delayed until its window is complete.

A model's temporal network takes the place of the windows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.model.folder import Model
from autrt.postprocess.smooth import half_window_s, median_interval_s, smooth
from autrt.postprocess.temporal import TICK_RATE, TILE_TICKS, TickNetwork, halo_s, temporal_logits
from autrt.recogniser.faces import RecognisedFrame
from autrt.recogniser.scores import combined_logits, recognised_faces, to_smooth
from autrt.types import F32, F64, Block

INTERVAL_FRAMES: Final = 1000
"""Most frames, from the first, whose median interval the windows are measured with."""


def smoothed_frames(
    blocks: Iterable[Block], model: Model, temporal: TickNetwork | None = None
) -> Iterator[RecognisedFrame]:
    """Yield every frame with its faces, smoothed by windows around it.

    A frame is yielded once the blocks reach half a window beyond it: 0.4 s for the widest window of the packaged
    models. With a temporal network it is once they reach its look-ahead and a tile beyond it: 6 s at most for the
    packaged recipes.

    Args:
        blocks: of one video, in order.
        model: windows, thresholds and ensemble weights.
        temporal: the model's temporal network, opened; None if it has none.
    """
    smoother = _Smoother(model, temporal)
    for block in blocks:
        smoother.append(block)
        yield from smoother.complete_frames()
    yield from smoother.remaining_frames()


@dataclass(frozen=True, slots=True)
class _Scored:
    """A block with the ensemble's logits."""

    block: Block
    first_row: int
    """Row of the block's first frame in the video's frame table."""
    logits: F32

    @property
    def face_times_s(self) -> F64:
        """(F,) float64: the time of each face's frame."""
        return self.block.time_s[self.block.faces.row - self.first_row]

    @property
    def first_s(self) -> float:
        """Time of the first frame."""
        return float(self.block.time_s[0])

    @property
    def last_s(self) -> float:
        """Time of the last frame."""
        return float(self.block.time_s[-1])

    def frames(self, model: Model, smoothed: F32) -> Iterator[RecognisedFrame]:
        """Yield the frames, with the (F, A) smoothed values of the block's faces."""
        block = self.block
        edges = np.searchsorted(block.faces.row, self.first_row + np.arange(len(block.index) + 1))
        columns = (block.index, block.pts, block.time_s, block.damaged)
        for i, (index, pts, time_s, damaged) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            rows = slice(int(edges[i]), int(edges[i + 1]))
            faces = recognised_faces(model, block.faces[rows], self.logits[rows], smoothed[rows])
            yield RecognisedFrame(index=index, pts=pts, time_s=time_s, faces=faces, damaged=damaged)


class _Smoother:
    """Keeps the blocks that windows of frames not yet yielded can reach."""

    def __init__(self, model: Model, temporal: TickNetwork | None) -> None:
        self._model, self._temporal = model, temporal
        self._yielded: deque[_Scored] = deque()
        self._waiting: deque[_Scored] = deque()
        self._times: list[F64] = []
        self._rows = 0

    def append(self, block: Block) -> None:
        """Add the next block."""
        logits = combined_logits(self._model, block.member_logits)
        self._waiting.append(_Scored(block, self._rows, logits))
        if self._rows < INTERVAL_FRAMES:
            self._times.append(block.time_s)
        self._rows += len(block.index)

    def complete_frames(self) -> Iterator[RecognisedFrame]:
        """Yield the frames of the blocks whose windows are complete, and drop blocks that no window reaches."""
        interval_s = self._interval_s()
        reach_s = self._reach_s(interval_s)
        newest_s = self._waiting[-1].last_s
        complete = sum(scored.last_s + reach_s < newest_s for scored in self._waiting)
        if self._enough(complete):
            yield from self._frames(complete, interval_s)
        while self._yielded and self._yielded[0].last_s + reach_s < self._waiting[0].first_s:
            self._yielded.popleft()

    def remaining_frames(self) -> Iterator[RecognisedFrame]:
        """Yield the frames that are left at the end of the video."""
        if self._waiting:
            yield from self._frames(len(self._waiting), self._interval_s())

    def _interval_s(self) -> float:
        return median_interval_s(np.concatenate(self._times)[:INTERVAL_FRAMES])

    def _reach_s(self, interval_s: float) -> float:
        """Return the seconds before and after a frame that it depends on."""
        if self._temporal is not None:
            return halo_s(self._temporal, interval_s)
        return max(half_window_s(int(w), interval_s) for w in self._model.smoothing_windows)

    def _enough(self, complete: int) -> bool:
        """Return whether so many complete blocks are worth a pass: a temporal network computes whole tiles."""
        if self._temporal is None:
            return True
        complete_s = self._waiting[complete - 1].last_s - self._waiting[0].first_s if complete else 0.0
        return complete_s >= TILE_TICKS / TICK_RATE

    def _smoothed(self, known: list[_Scored], interval_s: float) -> F32:
        """Return the (F, A) smoothed values of `scores.to_smooth` of all faces in the blocks."""
        logits = np.concatenate([scored.logits for scored in known])
        track = np.concatenate([scored.block.faces.track for scored in known])
        time_s = np.concatenate([scored.face_times_s for scored in known])
        if self._temporal is None:
            windows = self._model.smoothing_windows.tolist()
            return smooth(to_smooth(self._model, logits), track, time_s, windows, interval_s)
        features = None
        if self._temporal.n_features:
            features = np.concatenate([scored.block.outputs["features"] for scored in known])
        found = temporal_logits(self._temporal, logits, features, track, time_s, interval_s)
        return to_smooth(self._model, found)

    def _frames(self, complete: int, interval_s: float) -> Iterator[RecognisedFrame]:
        """Yield the frames of the first `complete` waiting blocks."""
        if not complete:
            return
        known = [*self._yielded, *self._waiting]
        smoothed = self._smoothed(known, interval_s)
        start = sum(len(scored.logits) for scored in self._yielded)
        for _ in range(complete):
            scored = self._waiting.popleft()
            self._yielded.append(scored)
            yield from scored.frames(self._model, smoothed[start : start + len(scored.logits)])
            start += len(scored.logits)
