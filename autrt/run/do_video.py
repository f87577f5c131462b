"""One video of a run, from its file to its results file."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.console.progress import VideoProgress
from autrt.gpu.device_error import device_error
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_source import open_source
from autrt.pipeline.recognise import recognise
from autrt.pipeline.sink import ResultsSink
from autrt.results.header import Header
from autrt.results.names import results_path
from autrt.results.outputs import output_columns
from autrt.results.reader import open_results
from autrt.results.schema import QUALITY
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.header_of import header_of
from autrt.run.job import Job, OnProgress, Outcome
from autrt.run.notes import video_note
from autrt.run.source_watch import HashedSource, SourceWatch
from autrt.types import Decoder, Source, VideoInfo
from autrt.video.decoded_sample import MisdecodedError
from autrt.video.probe import length_of
from autrt.video.still_folder import StillFolder

log = logging.getLogger(__name__)

WriteRows = Callable[[ResultsSink, Callable[[int, float, int], object]], object]
"""Writes a video's blocks into a sink; calls its second argument as `recognise` does `advance`."""


def do_video(
    job: Job,
    networks: Networks,
    source: Source,
    stop: threading.Event,
    on_progress: OnProgress,
    permit: Path | None = None,
) -> Outcome:
    """Recognise one video and write its results file.

    Args:
        job: model, settings and output folder.
        networks: shared by all videos of this process.
        source: the video.
        stop: ends it early when set.
        on_progress: called at the start, and after every few finished frames.
        permit: the only file that may become the results file (`atomic_file.permit`); by default a new one.

    Raises:
        VideoError: it cannot be read.
        StoppedError: `stop` was set.
        DiskFullError, ResultsError: its results cannot be written.
        EngineError: a network failed.
        DeviceError: the GPU failed.
    """
    try:
        return _do_video(job, networks, source, stop, on_progress, permit, networks.device)
    except MisdecodedError as error:
        log.warning("%s: done anew, decoded on the CPU: %s", source.path, error)
        return _do_video(job, networks, source, stop, on_progress, permit, "cpu", str(error))
    except Exception as error:
        if lasting := device_error(error):
            raise lasting from error
        raise


def _do_video(
    job: Job,
    networks: Networks,
    source: Source,
    stop: threading.Event,
    on_progress: OnProgress,
    permit: Path | None,
    device: str,
    cpu_reason: str = "",
) -> Outcome:
    """Do a video that is decoded on `device`; `cpu_reason` says why that is the CPU in a run on a GPU."""
    with (
        closing(SourceWatch(source)) as watch,
        closing(open_source(source, job.settings, device)) as decoder,
    ):

        def write(sink: ResultsSink, advance: Callable[[int, float, int], object]) -> None:
            recognise(decoder, networks, job.settings, sink, stop, advance)

        return write_results(
            job, networks, source, watch, decoder, write, on_progress, cpu_reason, permit=permit
        )


def write_results(
    job: Job,
    networks: Networks,
    source: Source,
    watch: SourceWatch | HashedSource,
    decoder: Decoder,
    write: WriteRows,
    on_progress: OnProgress,
    cpu_reason: str = "",
    started_utc: str = "",
    permit: Path | None = None,
) -> Outcome:
    """Write the results file of a video.

    Args:
        job: model, settings and output folder.
        networks: shared by all videos of this process.
        source: the video.
        watch: of the source.
        decoder: of the video; `write` may decode it.
        write: writes all rows.
        on_progress: called at the start, and after every few finished frames.
        cpu_reason: why a run on a GPU decodes the video on the CPU.
        started_utc: when its processing began; by default now.
        permit: as for `do_video`.

    Raises:
        As `do_video`.
    """
    start_s = time.monotonic()
    header = header_of(source, watch.facts, decoder.info, job, networks.device)
    if started_utc:
        header = replace(header, started_utc=started_utc)
    sink = _open_sink(source, decoder, header, job, networks, permit)
    position = _Position(decoder.info, on_progress, watch)
    try:
        write(sink, position.advance)
        facts, changed = watch.finish()
        lost = [*changed, *decoder.lost]
        sink.set_source(facts)
        sink.set_cpu_reason(cpu_reason or getattr(decoder, "fallback", None) or "")
        target = sink.finish(lost, decoder.repaired_times)
    finally:
        sink.abandon()
    state = FileState.of(target)
    return Outcome(
        relative=source.relative,
        status="partial" if lost else "ok",
        reason=video_note(decoder, sink.n_frames, lost, sink.n_damaged),
        frames=sink.n_frames,
        faces=sink.n_faces,
        tracks=sink.n_tracks,
        lost=sum(loss.packets for loss in lost),
        seconds=time.monotonic() - start_s,
        video_s=0.0 if decoder.info.kind in ("still", "stills") else position.position_s,
        tracks_without_baseline=_without_baseline(target) if header.baseline != "none" else 0,
        run_digest=header.run_digest,
        finished=state and FinishedFile.of(facts, header.run_digest, state, partial=bool(lost)),
    )


class _Position:
    """Reports the position in a video; the first report is made at once."""

    def __init__(self, info: VideoInfo, on_progress: OnProgress, watch: SourceWatch | HashedSource) -> None:
        self._length_s, self._frame_s, self._on_progress = length_of(info), float(1 / info.rate), on_progress
        self._watch = watch
        self.position_s = 0.0
        on_progress(VideoProgress(0, 0.0, self._length_s))

    def advance(self, frames: int, time_s: float, faces: int) -> None:
        """Report `frames` more finished frames, the last of which is shown at `time_s`, and the faces in them."""
        self.position_s = time_s + self._frame_s
        if self._length_s:
            self._watch.advance(self.position_s / self._length_s)
        self._on_progress(VideoProgress(frames, self.position_s, self._length_s, faces))


def _without_baseline(target: Path) -> int:
    """Count the tracks of a results file that are too short for a baseline."""
    with open_results(target) as results:
        return int(np.isnan(results.tracks["baseline"]).any(axis=1).sum())


def _open_sink(
    source: Source, decoder: Decoder, header: Header, job: Job, networks: Networks, permit: Path | None
) -> ResultsSink:
    return ResultsSink(
        results_path(job.out, source.relative),
        header,
        job.model.weights,
        max_faces=job.settings.max_faces,
        baseline_percentile=job.settings.baseline_percentile,
        keep_members=job.settings.keep_members,
        outputs=(*output_columns(job.model, features=job.settings.features), *QUALITY),
        temporal=networks.temporal,
        stills=decoder.stills if isinstance(decoder, StillFolder) else None,
        permit=permit,
    )
