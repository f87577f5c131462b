"""The state of a video's results: finished, or the reason why they must be computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from autrt.errors import ResultsError
from autrt.results.fingerprint import fingerprint, run_digest, size_and_mtime
from autrt.results.reader import open_results
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.results_index import ResultsIndex
from autrt.types import Source

ResultState = Literal["finished", "missing", "other-settings", "source-changed", "damaged"]
"""`other-settings`: whole and of this source, by another model or other settings."""


def result_state(
    target: Path,
    source: Source,
    model_digest: str,
    settings: Mapping[str, Any],
    index: ResultsIndex | None = None,
) -> ResultState:
    """Compare the results in `target` with a source, a model and settings.

    The source's size must be the same, and its time of change too, or else its fingerprint: only then is the
    source opened. A file that is incomplete or foreign counts as damaged. The index can only spare opening a file
    that is finished; anything else is read from the file.

    Args:
        target: see `results.names.results_path`.
        source: the video.
        model_digest: as for `fingerprint.run_digest`.
        settings: as for `fingerprint.run_digest`.
        index: of the output folder; gets what was read.

    Raises:
        VideoError: the source cannot be read.
    """
    index = index or ResultsIndex()
    known = index.find(source.relative, target)
    if known and _compare(known, source, model_digest, settings, index) == "finished":
        return "finished"
    before = FileState.of(target)
    try:
        with open_results(target) as results:
            stored, digest = results.header.source, results.run_digest
    except ResultsError:
        return "damaged" if before else "missing"
    if stored.path != source.relative:
        return "source-changed"
    finished = FinishedFile.of(stored, digest, before or FileState(0, 0, 0, 0))
    if before == FileState.of(target):  # not replaced while it was read
        index.add(source.relative, finished)
    return _compare(finished, source, model_digest, settings, index)


def _compare(
    stored: FinishedFile, source: Source, model_digest: str, settings: Mapping[str, Any], index: ResultsIndex
) -> ResultState:
    size_bytes, mtime_ns = size_and_mtime(source.path)
    if (stored.kind, stored.size_bytes) != (source.kind, size_bytes):
        return "source-changed"
    touched = stored.mtime_ns != mtime_ns
    if touched and stored.fingerprint != fingerprint(source.path):
        return "source-changed"
    if stored.run_digest != run_digest(stored.fingerprint, model_digest, settings):
        return "other-settings"
    if touched:  # so that its fingerprint need not be read again
        index.add(source.relative, stored._replace(mtime_ns=mtime_ns))
    return "finished"
