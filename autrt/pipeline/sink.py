"""The sink of a results file: raw rows → ensemble → (baseline) → smoothing → thresholds → HDF5.

Smoothing is by windows, or by the model's temporal network.

Rows are kept on disk while a video is in progress, because the largest faces, a person's neutral face and the
median frame interval are known only at its end. The memory that is held grows by some bytes a face at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.face.people import People, counted_anew
from autrt.pipeline.face_selection import AllFaces, LargestFaces
from autrt.pipeline.track_baselines import track_baselines
from autrt.postprocess.baseline import subtract_baseline
from autrt.postprocess.ensemble import combine, sigmoid
from autrt.postprocess.smooth import half_window_s, median_interval_s, smooth
from autrt.postprocess.temporal import TickNetwork, halo_s, temporal_logits
from autrt.postprocess.threshold import decide
from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header
from autrt.results.schema import FEATURES, Column
from autrt.results.spool import Span, Spool
from autrt.results.writer import ResultsWriter
from autrt.types import F32, F64, I32, Block, Loss, Stills


class ResultsSink:
    """A `Sink` that writes one video's results file.

    Args:
        target: the file.
        header: its facts; thresholds, windows, smoothing domain and whether faces are weighed by their quality are
            taken from it.
        weights: (M, A) float32, the ensemble's.
        max_faces: faces kept in a frame, those of the tracks with the largest median area; None: all.
        baseline_percentile: percentile of a track's logits that is subtracted before smoothing; None: no baseline.
        keep_members: also store the members' logits.
        outputs: columns of `/faces` for further outputs of the networks; see `output_columns`.
        temporal: takes the place of the windows; None: there is none.
        stills: as for `ResultsWriter`.
        permit: as for `ResultsWriter`.

    Raises:
        DiskFullError: no room; `write` and `finish` too.
        ResultsError: the place cannot be written.
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
        outputs: Sequence[Column] = (),
        temporal: TickNetwork | None = None,
        stills: Stills | None = None,
        permit: Path | None = None,
    ) -> None:
        self._target, self._header, self._weights = target, header, weights
        self._max_faces, self._percentile, self._keep_members = max_faces, baseline_percentile, keep_members
        self._outputs, self._temporal, self._stills, self._permit = outputs, temporal, stills, permit
        self._spool = Spool(target.parent, *weights.shape, outputs=_spooled(outputs, temporal))
        self._people = People()
        self.n_tracks = 0
        self.n_damaged = 0

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
        self._people.add(block.faces, block.samples)
        self.n_damaged += int(block.damaged.sum())
        self.n_tracks = max(self.n_tracks, int(block.faces.track.max(initial=-1)) + 1)

    def set_source(self, facts: SourceFacts) -> None:
        """Replace the header's facts about the source by those that are known at its end."""
        self._header = replace(self._header, source=facts)

    def set_cpu_reason(self, reason: str) -> None:
        """Say in the header why a run on a GPU decoded the video, or its rest, on the CPU; empty: it did not."""
        self._header = replace(self._header, cpu_decoding_reason=reason)

    def finish(self, losses: Sequence[Loss], repaired_times: int, people: I32 | None = None) -> Path:
        """Smooth, decide, write, verify, and give the file its name; see `Sink`.

        Args:
            losses: what of the video was lost.
            repaired_times: how many times of frames were made up.
            people: (T,) int32 person of each track id, where that is known already; None: by the faces' appearance.
        """
        with (
            self._spool as spool,
            ResultsWriter(
                self._target,
                self._header,
                keep_members=self._keep_members,
                damaged=self.n_damaged > 0,
                outputs=self._outputs,
                stills=self._stills,
                permit=self._permit,
            ) as writer,
        ):
            time_s = spool.times()
            interval_s = median_interval_s(time_s)
            selection = AllFaces() if self._max_faces is None else LargestFaces(spool, self._max_faces)
            baselines = None
            if self._percentile is not None:
                spans = map(selection.apply, spool.blocks())
                folder = self._target.parent
                baselines = track_baselines(spans, time_s, self._weights, self._percentile, folder)
            for span in spool.blocks(halo_s=self._halo_s(interval_s)):
                self._write(writer, selection.apply(span), baselines, interval_s)
            numbers = self._people.numbers() if people is None else people
            numbers = counted_anew(selection.of_tracks(numbers))
            return writer.finish(losses, repaired_times, baselines, numbers)

    def abandon(self) -> None:
        """Discard the rows; does nothing after `finish`."""
        self._spool.close()

    def _halo_s(self, interval_s: float) -> float:
        """Return the seconds of rows before and after a span that its smoothed values depend on."""
        if self._temporal is not None:
            return halo_s(self._temporal, interval_s)
        return max(half_window_s(w, interval_s) for w in self._header.smoothing_windows)

    def _write(self, writer: ResultsWriter, span: Span, baselines: F32 | None, interval_s: float) -> None:
        """Smooth and decide one span, and write its own rows."""
        track = span.block.faces.track
        logit = combine(span.block.member_logits, self._weights)
        centred = logit if baselines is None else subtract_baseline(logit, baselines, track)
        if self._temporal is None:
            weight = span.block.outputs["quality"] if self._header.settings.get("quality_weighted") else None
            smoothed = self._smooth(centred, track, span.face_time_s, interval_s, weight)
        else:
            features = span.block.outputs[FEATURES.output] if self._temporal.n_features else None
            times = span.face_time_s
            smoothed = sigmoid(temporal_logits(self._temporal, logit, features, track, times, interval_s))
        active = decide(smoothed, np.array(self._header.thresholds, np.float32))
        own = span.faces
        writer.write(span.inner, logit[own], sigmoid(logit[own]), smoothed[own], active[own])

    def _smooth(self, logits: F32, track: I32, time_s: F64, interval_s: float, weight: F32 | None) -> F32:
        """Return smoothed probabilities, averaged in the header's domain."""
        windows = self._header.smoothing_windows
        if self._header.smoothing_domain == "probability":
            return smooth(sigmoid(logits), track, time_s, windows, interval_s, weight)
        return sigmoid(smooth(logits, track, time_s, windows, interval_s, weight))


def _spooled(outputs: Sequence[Column], temporal: TickNetwork | None) -> Sequence[Column]:
    """Return the columns of outputs to keep until the end: those written, and what the temporal network sees."""
    stored = any(column.name == FEATURES.name for column in outputs)
    if temporal is None or not temporal.n_features or stored:
        return outputs
    return (*outputs, replace(FEATURES, tail=(temporal.n_features,)))
