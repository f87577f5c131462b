"""Cropping of many videos in parallel; one that fails does not affect the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autrt.console import Reporter
from autrt.console.progress import VideoProgress
from autrt.errors import AutrtError
from autrt.pipeline.recognise import StoppedError
from autrt.run.signals import Signals
from autrt.storage.escape import escape
from autrt.types import Source
from autrt_train.crop.crop_video import Choose, CropOutcome, crop_video
from autrt_train.crop.index import CropSettings, write_index, write_settings
from autrt_train.types import DataError


@dataclass(slots=True, kw_only=True)
class CropRun:
    """Run that crops videos into one folder.

    Args:
        results: folder with the videos' results.
        out: folder of the crops.
        settings: of the crops.
        reporter: shows progress.
        choose: selects faces of a video; None: all that the settings select.
    """

    results: Path
    out: Path
    settings: CropSettings
    reporter: Reporter
    choose: Choose | None = None
    cuts: list[CropOutcome] = field(default_factory=list[CropOutcome])
    rows: int = 0
    """Rows of the manifest, including those of earlier runs."""
    signal: int | None = None
    fatal: AutrtError | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, sources: Sequence[Source], workers: int) -> None:
        """Crop all videos, and write the manifest of all that are finished.

        Raises:
            DataError: the folder holds crops of other settings, or a video's crops would lie within another's.
            DiskFullError, ResultsError: the folder cannot be written.
        """
        refuse_nested(sources)
        write_settings(self.out, self.settings)
        self.reporter.begin(len(sources))
        with Signals(self._on_signal), ThreadPoolExecutor(max(1, workers), "crop") as pool:
            list(pool.map(self._crop_one, sources))
        if self.fatal is not None:
            raise self.fatal
        self.rows = write_index(self.out)

    def count(self, *statuses: str) -> int:
        """Return the number of videos with one of these statuses."""
        return sum(cut.status in statuses for cut in self.cuts)

    def _on_signal(self, number: int) -> None:
        self.signal = number
        self.stop.set()

    def _crop_one(self, source: Source) -> None:
        if self.stop.is_set():
            return
        start_s = time.monotonic()
        name = escape(source.relative)

        def advance(frames: int) -> None:
            self.reporter.advance(VideoProgress(frames), name)

        try:
            cut = crop_video(source, self.results, self.out, self.settings, self.stop, advance, self.choose)
        except StoppedError:
            return
        except AutrtError as error:  # a disk error, which concerns every video
            self.fatal = self.fatal or error
            self.stop.set()
            return
        self.cuts.append(cut)
        facts = {"crops": cut.crops, "seconds": round(time.monotonic() - start_s, 3)}
        self.reporter.ended(escape(source.relative), cut.status, facts | {"reason": escape(cut.reason)})


def refuse_inside(out: Path, inputs: Sequence[Path]) -> None:
    """Check that `out` is not inside an input folder, where a second run would take the crops for videos.

    Raises:
        DataError: `out` lies in an input folder.
    """
    for path in inputs:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise DataError(
                f"--out {escape(str(out))} lies in the input {escape(str(path))}: choose a folder beside it"
            )


def refuse_nested(sources: Sequence[Source]) -> None:
    """Check that no video's crops would lie within another's folder.

    Raises:
        DataError: two videos' crops would; names them.
    """
    names = {source.relative for source in sources}
    for name in sorted(names):
        for above in PurePosixPath(name).parents:
            if str(above) in names:
                raise DataError(
                    f"the crops of {escape(name)!r} would lie among those of {escape(str(above))!r}: cut them into "
                    "two folders"
                )
