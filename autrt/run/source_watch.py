"""A source while it is processed: its facts before, its hash, and whether it changed meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from autrt.errors import VideoError
from autrt.results.fingerprint import SourceFacts
from autrt.results.source_hash import SourceHash
from autrt.results.source_state import SourceState
from autrt.types import FOLDERS, Loss, Source
from autrt.video.unreadable import check_file

CHANGED: Final = (
    "the file changed while it was read (is it still being copied or recorded?): run the same command again once "
    "it is whole"
)


class SourceWatch:
    """Facts about a source from before its first byte was read until after the last.

    Args:
        source: the video.

    Raises:
        VideoError: it cannot be read.
    """

    def __init__(self, source: Source) -> None:
        if source.kind not in FOLDERS:
            check_file(source.path)  # says best why a file cannot be read, and opens no pipe
        self.facts = SourceFacts.of(source)
        """As they were before."""
        self._path = source.path
        self._hash = SourceHash(source.path, self.facts.size_bytes)

    def advance(self, share: float) -> None:
        """Follow the decoder, which has read a share (0 to 1) of the source."""
        self._hash.advance(share)

    def finish(self) -> tuple[SourceFacts, list[Loss]]:
        """Return the facts with the hash of all bytes, and a loss where the source changed meanwhile.

        A source that changed keeps the times of before and no hash, so that the next run does it again. One that
        was deleted or moved away has lost nothing.
        """
        return _checked(replace(self.facts, sha256=self._hash.finish()), self._path)

    def close(self) -> None:
        """Close the files."""
        self._hash.close()


class HashedSource:
    """A source whose bytes were hashed before; as `SourceWatch`, from then until it is finished.

    Args:
        facts: as they were then, with the hash.
        path: of the source.
    """

    def __init__(self, facts: SourceFacts, path: Path) -> None:
        self.facts, self._path = facts, path

    def advance(self, share: float) -> None:
        """Do nothing."""

    def finish(self) -> tuple[SourceFacts, list[Loss]]:
        """Return the facts, and a loss where the source changed since."""
        return _checked(self.facts, self._path)


def _checked(facts: SourceFacts, path: Path) -> tuple[SourceFacts, list[Loss]]:
    """Return facts about a source, without the hash and with a loss where it is another now."""
    try:
        now = SourceState.of(path)
    except VideoError:
        return facts, []
    if (now.size_bytes, now.mtime_ns) == (facts.size_bytes, facts.mtime_ns):
        return facts, []
    return replace(facts, sha256=""), [Loss(0.0, 0, CHANGED)]
