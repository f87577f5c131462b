"""The hand-over of videos to a run, and of its results to where they belong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Self

from autrt.errors import AutrtError
from autrt.run.job import Outcome
from autrt.run.manifest import Manifest
from autrt.run.shard import Shard
from autrt.types import Source


class Exchange:
    """The exchange of a run whose videos and results lie on this machine: nothing is moved."""

    remote = False
    """True if videos are not on this machine before their turn."""
    error: AutrtError | None = None
    """What ended the delivery of results; it has then stopped the run."""

    def open_manifest(self, out: Path, shard: Shard | None = None) -> Manifest:
        """Open the manifest that the run appends to; raises as `Manifest`."""
        return Manifest(out, shard)

    def begun(self, order: Sequence[Source], workers: int, stop: threading.Event) -> Self:
        """Begin with these videos, in this order; to be closed when all have ended.

        Args:
            order: the videos.
            workers: videos that are done at once.
            stop: ends the run when set.
        """
        return self

    def staged(self, source: Source, stop: threading.Event) -> AbstractContextManager[Source]:
        """Return the source as it lies on this machine until the block ends.

        Raises:
            VideoError: it cannot be had.
            StorageError: nothing can be had.
            StoppedError: `stop` was set.
        """
        return nullcontext(source)

    def deliver(self, outcome: Outcome, record: Callable[[Outcome], object]) -> None:
        """Take a video's results where they belong, then record its end, now or later.

        Raises:
            AutrtError: as `record` does, or because no results can be taken there.
        """
        record(outcome)

    def close(self) -> None:
        """Wait until everything is delivered."""
