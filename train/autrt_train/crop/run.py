"""Cutting many videos, several at once; one that fails hurts no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from autrt.console import Reporter
from autrt.errors import AutrtError
from autrt.pipeline.recognise import StoppedError
from autrt.run.signals import Signals
from autrt.storage.escape import escape
from autrt.types import Source
from autrt_train.crop.crop_video import Choose, Cut, crop_video
from autrt_train.crop.index import CropSettings, settle, write_index
from autrt_train.types import DataError


@dataclass(slots=True)
class CropRun:
    """Cuts videos into one folder.

    Args:
        results: folder with the videos' results.
        out: folder of the crops.
        settings: how to cut.
        reporter: told as things happen.
        choose: which faces of a video are wanted; None: all that the settings ask for.
    """

    results: Path
    out: Path
    settings: CropSettings
    reporter: Reporter
    choose: Choose | None = None
    cuts: list[Cut] = field(default_factory=list[Cut])
    rows: int = 0
    """Of the manifest, all runs together."""
    signal: int | None = None
    fatal: AutrtError | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, sources: Sequence[Source], workers: int) -> None:
        """Cut all videos and write the manifest of all that are cut.

        Raises:
            DataError: the folder holds crops of other settings, or a video's crops would lie within another's.
            DiskFullError, ResultsError: the folder cannot be written.
        """
        refuse_nested(sources)
        settle(self.out, self.settings)
        self.reporter.begin(len(sources))
        with Signals(self._on_signal), ThreadPoolExecutor(max(1, workers), "crop") as pool:
            list(pool.map(self._one, sources))
        if self.fatal is not None:
            raise self.fatal
        self.rows = write_index(self.out)

    def count(self, *statuses: str) -> int:
        """Videos that ended so."""
        return sum(cut.status in statuses for cut in self.cuts)

    def _on_signal(self, number: int) -> None:
        self.signal = number
        self.stop.set()

    def _one(self, source: Source) -> None:
        if self.stop.is_set():
            return
        start_s = time.monotonic()
        advance = partial(self.reporter.advance, name=escape(source.relative))
        try:
            cut = crop_video(source, self.results, self.out, self.settings, self.stop, advance, self.choose)
        except StoppedError:
            return
        except AutrtError as error:  # of the disk: it concerns every video
            self.fatal = self.fatal or error
            self.stop.set()
            return
        self.cuts.append(cut)
        facts = {"crops": cut.crops, "seconds": round(time.monotonic() - start_s, 3)}
        self.reporter.ended(escape(source.relative), cut.status, facts | {"reason": escape(cut.reason)})


def refuse_inside(out: Path, inputs: Sequence[Path]) -> None:
    """Make sure that a second run will not find the first one's crops among its videos.

    Raises:
        DataError: `out` lies in an input folder.
    """
    for path in inputs:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise DataError(
                f"--out {escape(str(out))} lies in the input {escape(str(path))}: choose a folder beside it"
            )


def refuse_nested(sources: Sequence[Source]) -> None:
    """Make sure that no video's crops would lie within another's folder.

    Raises:
        DataError: names two that would.
    """
    names = {source.relative for source in sources}
    for name in sorted(names):
        for above in PurePosixPath(name).parents:
            if str(above) in names:
                raise DataError(
                    f"the crops of {escape(name)!r} would lie among those of {escape(str(above))!r}: cut them into "
                    "two folders"
                )
