"""From raw rows to a results file: ensemble → (baseline) → smooth → threshold → HDF5.

Rows are kept on disk while a video is under way, because the largest faces, a person's neutral face and the
median frame interval are known only at its end. What is held in memory grows by some bytes a frame at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.postprocess.ensemble import combine, sigmoid
from autrt.postprocess.smooth import baseline, half_window_s, median_interval_s, smooth, subtract_baseline
from autrt.postprocess.threshold import decide
from autrt.results.header import Header
from autrt.results.spool import Span, Spool
from autrt.results.writer import ResultsWriter
from autrt.types import F32, F64, I32, Block, Bool, Loss


class ResultsSink:
    """A `Sink` that writes one video's results file.

    Args:
        target: where the file goes.
        header: its attributes; thresholds, windows and domain are taken from it.
        weights: (M, A) float32, the ensemble's.
        max_faces: at most so many faces a frame, those of the tracks with the largest median area; None: all.
        baseline_percentile: of a track's logits, subtracted before smoothing; None: nothing is.
        keep_members: also store the members' logits.
    """

    def __init__(
        self,
        target: Path,
        header: Header,
        weights: F32,
        *,
        max_faces: int | None = None,
        baseline_percentile: float | None = None,
        keep_members: bool = False,
    ) -> None:
        self._target, self._header, self._weights = target, header, weights
        self._max_faces, self._percentile, self._keep_members = max_faces, baseline_percentile, keep_members
        self._spool = Spool(target.parent, *weights.shape)
        self.n_tracks = 0

    @property
    def n_frames(self) -> int:
        """Frames taken so far."""
        return self._spool.n_frames

    @property
    def n_faces(self) -> int:
        """Faces taken so far."""
        return self._spool.n_faces

    def write(self, block: Block) -> None:
        """Take the next frames and their faces."""
        self._spool.append(block)
        self.n_tracks = max(self.n_tracks, int(block.faces.track.max(initial=-1)) + 1)

    def finish(self, losses: Sequence[Loss], repaired_times: int) -> Path:
        """Smooth, decide, write, verify, and give the file its name."""
        with (
            self._spool,
            ResultsWriter(self._target, self._header, keep_members=self._keep_members) as writer,
        ):
            interval_s = median_interval_s(self._spool.times())
            chosen = _Chosen.largest(self._spool, self._max_faces)
            baselines = None if self._percentile is None else self._baselines(chosen, self._percentile)
            halo_s = max(half_window_s(w, interval_s) for w in self._header.smoothing_windows)
            for span in self._spool.blocks(halo_s=halo_s):
                self._write(writer, chosen.of(span), baselines, interval_s)
            return writer.finish(losses, repaired_times, baselines)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._spool.close()

    def _write(self, writer: ResultsWriter, span: Span, baselines: F32 | None, interval_s: float) -> None:
        block, faces = span.block, span.block.faces
        logit = combine(block.member_logits, self._weights)
        judged = logit if baselines is None else subtract_baseline(logit, baselines, faces.track)
        smoothed = self._smooth(judged, faces.track, _times(span), interval_s)
        active = decide(smoothed, np.array(self._header.thresholds, np.float32))
        inner = span.faces
        writer.write(span.inner, logit[inner], sigmoid(logit[inner]), smoothed[inner], active[inner])

    def _smooth(self, logits: F32, track: I32, time_s: F64, interval_s: float) -> F32:
        windows = self._header.smoothing_windows
        if self._header.smoothing_domain == "probability":
            return smooth(sigmoid(logits), track, time_s, windows, interval_s)
        return sigmoid(smooth(logits, track, time_s, windows, interval_s))

    def _baselines(self, chosen: _Chosen, percentile: float) -> F32:
        """(T, A) float32 by track id. One AU at a time, so that one column is all that is held."""
        columns = [self._baseline_column(chosen, percentile, a) for a in range(self._weights.shape[1])]
        return np.stack(columns, axis=1)

    def _baseline_column(self, chosen: _Chosen, percentile: float, au: int) -> F32:
        nothing = np.empty(0, np.int32), np.empty(0, np.float64), np.empty((0, 1), np.float32)
        parts: list[tuple[I32, F64, F32]] = [nothing]
        weights = self._weights[:, au : au + 1]
        for span in map(chosen.of, self._spool.blocks()):
            logits = combine(span.block.member_logits[:, :, au : au + 1], weights)
            parts.append((span.block.faces.track, _times(span), logits))
        track, time_s, logits = (np.concatenate(column) for column in zip(*parts, strict=True))
        out = np.full(int(track.max(initial=-1)) + 1, np.nan, np.float32)
        for number in np.unique(track).tolist():
            rows = track == number
            out[number] = baseline(logits[rows], time_s[rows], percentile)[0]
        return out


def _times(span: Span) -> F64:
    """(F,) float64: the time of each face's frame."""
    return span.block.time_s[span.block.faces.row - span.first_row]


def _keep_faces(span: Span, kept: Bool, ids: dict[int, int]) -> Span:
    """The span with some of its faces, their tracks renamed."""
    block = span.block
    faces = block.faces[kept]
    faces = replace(faces, track=np.array([ids[t] for t in faces.track.tolist()], np.int32))
    order = np.lexsort((faces.track, faces.row))
    block = replace(block, faces=faces[order], member_logits=block.member_logits[kept][order])
    before = np.concatenate([[0], np.cumsum(kept)])
    return span._replace(
        block=block, faces=slice(int(before[span.faces.start]), int(before[span.faces.stop]))
    )


class _Chosen:
    """Which faces of which tracks stay, under which ids."""

    def __init__(self, ids: dict[int, int] | None, rank: dict[int, int], most: int) -> None:
        self._ids, self._rank, self._most = ids, rank, most

    @classmethod
    def largest(cls, spool: Spool, most: int | None) -> _Chosen:
        """At most `most` faces a frame: those of the tracks with the largest median area."""
        if most is None:
            return cls(None, {}, 0)
        areas: dict[int, list[F32]] = {}
        for span in spool.blocks():
            faces = span.block.faces
            sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
            for track in np.unique(faces.track).tolist():
                areas.setdefault(track, []).append(np.prod(sides[faces.track == track], axis=1))
        order = sorted(areas, key=lambda t: (-float(np.median(np.concatenate(areas[t]))), t))
        chosen = cls(None, {track: rank for rank, track in enumerate(order)}, most)
        ids: dict[int, int] = {}
        for span in spool.blocks():
            for track in span.block.faces.track[chosen._kept(span.block)].tolist():
                ids.setdefault(track, len(ids))
        chosen._ids = ids
        return chosen

    def of(self, span: Span) -> Span:
        """The span with the chosen faces alone."""
        return span if self._ids is None else _keep_faces(span, self._kept(span.block), self._ids)

    def _kept(self, block: Block) -> Bool:
        faces = block.faces
        rank = np.array([self._rank[t] for t in faces.track.tolist()], np.int64)
        order = np.lexsort((rank, faces.row))
        row = faces.row[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        kept = np.zeros(len(row), bool)
        kept[order] = place < self._most
        return kept
