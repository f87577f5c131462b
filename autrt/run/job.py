"""One video of a run, from its file to its results file."""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from autrt.model.folder import Model
from autrt.pipeline.networks import Networks
from autrt.pipeline.recognise import recognise
from autrt.pipeline.sink import ResultsSink
from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.results.names import results_path
from autrt.results.outputs import output_columns
from autrt.results.writer import utc_now
from autrt.run.event import Status
from autrt.run.finished import FileState, Finished
from autrt.settings import InferSettings
from autrt.types import Decoder, Loss, Source, VideoInfo
from autrt.video.open import open_decoder
from autrt.video.probe import length_of


@dataclass(frozen=True, slots=True)
class Job:
    """What every video of a run is done with. Plain data: it goes to other processes as it is."""

    out: Path
    model: Model
    settings: InferSettings
    detector_digest: str
    versions: dict[str, str]
    command: str
    threads: int
    """Cores that this process may use."""

    @property
    def numbers(self) -> dict[str, Any]:
        """The settings that change results."""
        outputs = [column.name for column in output_columns(self.model)]
        extra = {"outputs": outputs} if outputs else {}
        return {**self.settings.numbers(), "detector": self.detector_digest, **extra}


class Step(NamedTuple):
    """How far a video is."""

    frames: int
    """How many more are done since the last step; none in the first."""
    position_s: float
    """Seconds of the video that are done."""
    length_s: float | None
    """What it lasts, as far as is known."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one video ended."""

    relative: str
    status: Status
    reason: str = ""
    frames: int = 0
    faces: int = 0
    tracks: int = 0
    lost: int = 0
    """Packets that could not be decoded."""
    seconds: float = 0.0
    """Time that it took."""
    video_s: float = 0.0
    """Time that its frames last."""
    run_digest: str = ""
    finished: Finished | None = None
    """By what its results are known again."""


SWITCH_S = 1e-4
"""How long a thread may keep Python's lock from another: stages do little between calls that release it anyway."""


def configure_process() -> None:
    """Once per process, when its libraries are loaded and its networks open: what makes many threads go well."""
    cv2.setNumThreads(1)  # the pipeline has threads of its own; OpenCV's would only be in their way
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # the libraries' objects live as long as the process: spare every collection the walk over them


def do_video(
    job: Job, networks: Networks, source: Source, stop: threading.Event, tell: Callable[[Step], object]
) -> Outcome:
    """Recognise one video and write its results file.

    Args:
        job: what it is done with.
        networks: shared by all videos of this process.
        source: the video.
        stop: ends it early when set.
        tell: called at the beginning, and after every few frames that are done.

    Raises:
        VideoError: it cannot be read.
        StoppedError: `stop` was set.
        DiskFullError, ResultsError: its results cannot be written.
        EngineError: a network failed.
    """
    start_s = time.monotonic()
    with closing(open_decoder(source, image_rate=job.settings.image_rate, device=networks.device)) as decoder:
        header = _header(SourceFacts.of(source), decoder.info, job, networks.device)
        sink = _open_sink(source, header, job)
        steps = _Steps(decoder.info, tell)
        try:
            recognise(decoder, networks, job.settings, sink, stop, steps.advance)
            target = sink.finish(decoder.lost, decoder.repaired_times)
        finally:
            sink.abandon()
        state = FileState.of(target)
        return Outcome(
            source.relative,
            "partial" if decoder.lost else "ok",
            _reason(decoder, sink.n_frames),
            sink.n_frames,
            sink.n_faces,
            sink.n_tracks,
            sum(loss.packets for loss in decoder.lost),
            time.monotonic() - start_s,
            steps.position_s,
            header.run_digest,
            state and Finished.of(header.source, header.run_digest, state),
        )


class _Steps:
    """Makes steps of a video's frames; the first is told at once."""

    def __init__(self, info: VideoInfo, tell: Callable[[Step], object]) -> None:
        self._length_s, self._frame_s, self._tell = length_of(info), float(1 / info.rate), tell
        self.position_s = 0.0
        tell(Step(0, 0.0, self._length_s))

    def advance(self, frames: int, time_s: float) -> None:
        """So many more frames are done, the last of which is shown at `time_s`."""
        self.position_s = time_s + self._frame_s
        self._tell(Step(frames, self.position_s, self._length_s))


def unexpected(error: Exception) -> str:
    """A bug of ours, or of a library, as a video's reason to fail: it must cost one video and leave a trace."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"


def _reason(decoder: Decoder, frames: int) -> str:
    notes = _told(decoder.lost), timing_note(decoder.info, decoder.repaired_times, frames)
    return "; ".join(filter(None, notes))


def _told(losses: Sequence[Loss]) -> str:
    """What was lost, in one line."""
    if not losses:
        return ""
    first, packets = losses[0], sum(loss.packets for loss in losses)
    lost = f"lost {packets} packet(s): " if packets else ""
    more = f", and {len(losses) - 1} more" if len(losses) > 1 else ""
    return f"{lost}at {first.time_s:.2f} s {first.reason}{more}"


REPAIRS_UNTOLD, REPAIRS_UNTOLD_SHARE = 4, 0.01
"""So many repaired times, or such a share of the frames, go without a word."""


def timing_note(info: VideoInfo, repaired: int, frames: int) -> str:
    """What a user should know about a video's times; nothing where they are the file's own."""
    if info.kind != "video":
        return ""  # --image-rate times pictures
    if info.times_from == "stamps":
        few = repaired <= max(REPAIRS_UNTOLD, REPAIRS_UNTOLD_SHARE * frames)
        return "" if few else f"{repaired} of {frames} timestamps were missing or out of order, and set anew"
    rate = f"{float(info.rate):.6g} frames/s"
    if info.times_from == "rate":
        return f"no usable timestamps: times are by the stream's rate of {rate}"
    return f"no usable timestamps, and no rate stated: times are by an assumed rate of {rate}"


def _header(facts: SourceFacts, info: VideoInfo, job: Job, device: str) -> Header:
    settings, model = job.settings, job.model
    percentile = settings.baseline_percentile
    return Header(
        source=facts,
        video=VideoFacts.of(info),
        time_base=info.time_base,
        au_names=model.au_names,
        thresholds=tuple(float(t) for t in model.thresholds),
        smoothing_windows=tuple(int(w) for w in model.smoothing_windows),
        smoothing_domain=model.smoothing_domain,
        baseline="none" if percentile is None else f"p{percentile:g}",
        model_name=model.name,
        model_digest=model.digest,
        member_names=tuple(m.name for m in model.members),
        network_digests=tuple(m.network_digest for m in model.members),
        settings=job.numbers,
        engine=settings.engine,
        precision=settings.precision,
        device=device,
        detector_digest=job.detector_digest,
        detect_every=settings.detection_interval(info.rate),
        versions=job.versions,
        command=job.command,
        started_utc=utc_now(),
        times_from=info.times_from,
        au_grades=model.au_grades,
        au_evidence={au: graded.evidence for au, graded in model.grades.items()},
    )


def _open_sink(source: Source, header: Header, job: Job) -> ResultsSink:
    return ResultsSink(
        results_path(job.out, source.relative),
        header,
        job.model.weights,
        max_faces=job.settings.max_faces,
        baseline_percentile=job.settings.baseline_percentile,
        keep_members=job.settings.keep_members,
        outputs=output_columns(job.model),
    )
