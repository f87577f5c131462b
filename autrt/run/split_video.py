"""A long video in sections that several workers do side by side, and that are joined at the end (`--split`)."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from autrt.console.progress import VideoProgress
from autrt.errors import VideoError
from autrt.pipeline.join_sections import Segments, join_sections
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_source import open_source
from autrt.pipeline.recognise import StoppedError, recognised_segments, write_blocks
from autrt.pipeline.record_section import record_section
from autrt.pipeline.segment_file import read_segments
from autrt.pipeline.sink import ResultsSink
from autrt.pipeline.split_people import split_people
from autrt.pipeline.to_blocks import to_blocks
from autrt.results.fingerprint import SourceFacts, canonical_json, run_digest
from autrt.results.names import results_path
from autrt.results.writer import utc_now
from autrt.run.do_video import do_video, write_results
from autrt.run.job import Job, OnProgress, Outcome, decoder_settings
from autrt.run.source_watch import HashedSource, SourceWatch
from autrt.types import Source
from autrt.video.packet_scan import IrregularFileError, PacketScan, scan
from autrt.video.probe import length_of
from autrt.video.pyav import PyavDecoder
from autrt.video.section_decoder import SectionDecoder
from autrt.video.sections import Section, entry_before, sections_of

_FORMAT: Final = 1
"""Of the files of sections; those of another are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitVideo:
    """A video that can be split, and its sections."""

    source: Source
    facts: SourceFacts
    """With the hash of all bytes."""
    scan: PacketScan
    sections: Sequence[Section]
    started_utc: str


@dataclass(frozen=True, slots=True)
class FindSections:
    """The task of finding a video's sections."""

    source: Source

    def do(
        self, job: Job, networks: Networks, stop: threading.Event, on_progress: OnProgress
    ) -> SplitVideo | None:
        """Read all packets of the video; return None if it is too short for two sections.

        Raises:
            IrregularFileError: it cannot be split.
            VideoError: it cannot be read.
            StoppedError: `stop` was set.
        """
        source, length_s, started_utc = self.source, job.settings.split_s, utc_now()
        assert length_s is not None, "only then a video is split"
        if networks.device != "cpu":
            raise IrregularFileError("videos are split on the CPU alone")
        with closing(SourceWatch(source)) as watch:
            with closing(open_source(source, job.settings)) as decoder:
                info = decoder.info
            whole_s = length_of(info)
            if whole_s is not None and round(whole_s / length_s) < 2:
                return None
            if not isinstance(decoder, PyavDecoder):
                raise IrregularFileError("it is no video file that FFmpeg decodes")

            def on_read(position: int) -> None:
                if stop.is_set():
                    raise StoppedError
                watch.advance(position / max(1, watch.facts.size_bytes))

            found = scan(source.path, job.settings.max_pixels, on_read)
            if found.info != info:
                raise IrregularFileError("its first frame is not where its packets say")
            facts, changed = watch.finish()
        if changed:
            raise IrregularFileError(changed[0].reason)
        sections = sections_of(found, length_s)
        if len(sections) < 2:
            return None
        return SplitVideo(source=source, facts=facts, scan=found, sections=sections, started_utc=started_utc)


@dataclass(frozen=True, slots=True)
class DoSection:
    """The task of processing one section."""

    video: SplitVideo
    number: int
    target: Path

    @property
    def source(self) -> Source:
        """The video."""
        return self.video.source

    def do(self, job: Job, networks: Networks, stop: threading.Event, on_progress: OnProgress) -> None:
        """Write the section's file; see `record_section`."""
        section = self.video.sections[self.number]

        def advance(frames: int, done_s: float, faces: int) -> None:
            on_progress(VideoProgress(frames, done_s, None, faces))

        with closing(_decoder(self.video, section.entry_row, job)) as decoder:
            times = self.video.scan.time_s
            record_section(decoder, section, times, networks, job.settings, self.target, stop, advance)


@dataclass(frozen=True, slots=True)
class JoinSections:
    """The task of making the results file of files of sections."""

    video: SplitVideo
    files: Sequence[Path]

    @property
    def source(self) -> Source:
        """The video."""
        return self.video.source

    def do(self, job: Job, networks: Networks, stop: threading.Event, on_progress: OnProgress) -> Outcome:
        """Write the results file; see `write_results`."""
        video = self.video

        def run_from(row: int, back_s: float) -> tuple[int, Segments]:
            entry = entry_before(video.scan, row, back_s)
            return entry, self._segments_from(entry, job, networks, stop)

        entries = [section.entry_row for section in video.sections]
        sections = list(zip(entries, map(_stored_segments, self.files), strict=True))
        joined = join_sections(sections, len(video.scan.pts), run_from)
        watch = HashedSource(video.facts, video.source.path)
        with closing(_decoder(video, 0, job)) as decoder, closing(joined):
            blocks = to_blocks(split_people(joined), decoder.info.pixel_aspect)

            def write(sink: ResultsSink, advance: Callable[[int, float, int], object]) -> None:
                write_blocks(blocks, sink, stop, advance)

            return write_results(
                job,
                networks,
                video.source,
                watch,
                decoder,
                write,
                on_progress,
                started_utc=video.started_utc,
            )

    def _segments_from(self, entry_row: int, job: Job, networks: Networks, stop: threading.Event) -> Segments:
        with closing(_decoder(self.video, entry_row, job)) as decoder:
            times = self.video.scan.time_s[:entry_row]
            with closing(recognised_segments(decoder, networks, job.settings, times)) as segments:
                for segment in segments:
                    if stop.is_set():
                        raise StoppedError
                    yield segment


def _stored_segments(file: Path) -> Segments:
    """Yield the segments of a section's file.

    Raises:
        VideoError: it is damaged; then it is removed.
    """
    try:
        yield from read_segments(file)
    except (OSError, ValueError) as error:
        file.unlink(missing_ok=True)
        raise VideoError(
            f"the file that keeps one of its sections cannot be read ({error}), and was removed: run the same "
            "command again, which does that section anew"
        ) from error


def _decoder(video: SplitVideo, entry_row: int, job: Job) -> SectionDecoder:
    return SectionDecoder(video.scan, entry_row, job.settings.max_pixels)


Task = FindSections | DoSection | JoinSections | Source
"""What a worker is asked for; a source is a video to be done as a whole."""

Ask = Callable[[Task, threading.Event, OnProgress], Any]
"""Has the next idle worker do a task, and returns what that gives."""


def do_task(job: Job, networks: Networks, task: Task, stop: threading.Event, on_progress: OnProgress) -> Any:
    """Do what a worker is asked for; for errors see `do_video` and the tasks."""
    if isinstance(task, Source):
        return do_video(job, networks, task, stop, on_progress)
    return task.do(job, networks, stop, on_progress)


def do_in_sections(
    job: Job, source: Source, ask: Ask, stop: threading.Event, on_progress: OnProgress, workers: int
) -> Outcome:
    """Do a video, in sections if it is long; as a whole where it cannot be split, which the outcome's reason says.

    What is finished of its sections waits beside its results file for the next run if this one is stopped.

    Args:
        job: model, settings and output folder.
        source: the video.
        ask: has a worker do a task.
        stop: ends it early when set.
        on_progress: as for `do_video`.
        workers: sections in work at once.

    Raises:
        As `do_video`.
    """
    start_s = time.monotonic()
    target = results_path(job.out, source.relative)
    try:
        video = ask(FindSections(source), stop, _ignore)
        if video is None:
            return ask(source, stop, on_progress)
        outcome = _do_sections(job, video, target, ask, stop, on_progress, workers)
    except IrregularFileError as error:
        outcome = ask(source, stop, on_progress)
        note = f"not split: {error}"
        outcome = replace(outcome, reason=f"{note}; {outcome.reason}" if outcome.reason else note)
    shutil.rmtree(_folder_of(target), ignore_errors=True)
    return replace(outcome, seconds=time.monotonic() - start_s)


def _do_sections(
    job: Job,
    video: SplitVideo,
    target: Path,
    ask: Ask,
    stop: threading.Event,
    on_progress: OnProgress,
    workers: int,
) -> Outcome:
    files = _files_of(video, target, job)
    _remove_others(files)
    halt = _Halt(stop)
    progress = _Progress(video, on_progress)
    with ThreadPoolExecutor(max(1, min(workers, len(files))), "section") as pool:
        running: list[Future[None]] = []
        for number, file in enumerate(files):
            if file.exists():
                progress.found(number)
            else:
                task = DoSection(video, number, file)
                running.append(pool.submit(ask, task, halt, partial(progress.advance, number)))
        wait(running, return_when=FIRST_EXCEPTION)
        failed = [f for f in running if f.done() and not f.cancelled() and f.exception() is not None]
        if failed:
            halt.set()
            for future in running:
                future.cancel()
            failed[0].result()
    return ask(JoinSections(video, files), stop, _ignore)


def _ignore(progress: VideoProgress) -> None:
    """Take the progress of a task that does nothing of the video anew."""


class _Halt(threading.Event):
    """Is set where one section failed, or the whole run is to stop."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def is_set(self) -> bool:
        """Return whether to stop."""
        return super().is_set() or self._stop.is_set()


class _Progress:
    """Adds up the progress of a video's sections; safe to use from several threads."""

    def __init__(self, video: SplitVideo, on_progress: OnProgress) -> None:
        self._video, self._on_progress = video, on_progress
        self._length_s = length_of(video.scan.info)
        self._done_s = [0.0] * len(video.sections)
        self._lock = threading.Lock()
        on_progress(VideoProgress(0, 0.0, self._length_s))

    def found(self, number: int) -> None:
        """Count a section that was done before."""
        section, times = self._video.sections[number], self._video.scan.time_s
        self.advance(
            number,
            VideoProgress(
                section.end_row - section.first_row,
                float(times[section.end_row - 1] - times[section.first_row]),
                None,
            ),
        )

    def advance(self, number: int, progress: VideoProgress) -> None:
        """Take the progress of a section."""
        with self._lock:
            self._done_s[number] = progress.position_s
            self._on_progress(
                VideoProgress(progress.frames, sum(self._done_s), self._length_s, progress.faces)
            )


def _folder_of(target: Path) -> Path:
    """Return the folder of the sections' files, beside the results file."""
    return target.parent / f".autrt-{_digest(target.name)}.sections"


def _files_of(video: SplitVideo, target: Path, job: Job) -> list[Path]:
    """Return the path of each section's file; another one where anything that decides its content is another."""
    settings = {**job.numbers, **decoder_settings(video.source)}
    decides = {
        "format": _FORMAT,
        "run": run_digest(video.facts.fingerprint, job.model.digest, settings),
        "source": [video.facts.size_bytes, video.facts.mtime_ns, video.facts.sha256],
        "versions": dict(job.versions),
        "sections": [[s.entry_row, s.first_row, s.end_row] for s in video.sections],
    }
    digest = _digest(canonical_json(decides))
    return [_folder_of(target) / f"{digest}-{number:04}.section" for number in range(len(video.sections))]


def _remove_others(files: Sequence[Path]) -> None:
    """Remove files of sections that were made of another file, or with other settings."""
    for file in files[0].parent.glob("*.section"):
        if file not in files:
            with suppress(OSError):
                file.unlink()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
