"""The state of a video's results: finished, or the reason why they must be computed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from autrt.errors import ResultsError
from autrt.pipeline.recognise import StoppedError
from autrt.results.fingerprint import run_digest
from autrt.results.reader import open_results
from autrt.results.source_hash import sha256
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.results_index import ResultsIndex
from autrt.types import Source

ResultState = Literal["finished", "touched", "missing", "other-settings", "source-changed", "damaged"]
"""`touched`: finished, but the source's time of change is another, and its bytes are still to be compared (see
`unchanged`); `other-settings`: whole and of this source, by another model or other settings."""


def result_state(
    target: Path,
    source: Source,
    model_digest: str,
    settings: Mapping[str, Any],
    index: ResultsIndex | None = None,
    *,
    trust_fingerprint: bool = False,
) -> ResultState:
    """Compare the results in `target` with a source, a model and settings.

    The source's size and time of change must be those of the results; it is not opened then. A file that is
    incomplete or foreign counts as damaged. The index can only spare opening a file that is finished; anything else
    is read from the file.

    Args:
        target: see `results.names.results_path`.
        source: the video.
        model_digest: as for `fingerprint.run_digest`.
        settings: as for `fingerprint.run_digest`.
        index: of the output folder; gets what was read.
        trust_fingerprint: take a source whose time alone differs for unchanged if its first and last MiB are.

    Raises:
        VideoError: the source cannot be read.
    """
    index = index or ResultsIndex()
    files = index.files
    known = index.find(source.relative, target)
    if known and (known.sha256 or not known.is_touched(files.source_state(source))):
        state = _compare(known, source, model_digest, settings, index, trust=trust_fingerprint)
        if state in ("finished", "touched"):
            return state
    before = files.results_state(target)
    try:
        with open_results(files.results_file(target)) as results:
            stored, digest, partial = results.header.source, results.run_digest, len(results.lost) > 0
    except ResultsError:
        return "damaged" if before else "missing"
    if stored.path != source.relative:
        return "source-changed"
    finished = FinishedFile.of(stored, digest, before or FileState(0, 0, 0, 0), partial=partial)
    if before == files.results_state(target):  # not replaced while it was read
        index.add(source.relative, finished)
    # Without a hash the first and last MiB decide, which say nothing about a part that was lost.
    trust = trust_fingerprint or not (finished.sha256 or partial)
    return _compare(finished, source, model_digest, settings, index, trust=trust)


def _compare(
    stored: FinishedFile,
    source: Source,
    model_digest: str,
    settings: Mapping[str, Any],
    index: ResultsIndex,
    *,
    trust: bool,
) -> ResultState:
    now = index.files.source_state(source)
    if stored.size_bytes != now.size_bytes or not index.files.is_kind(source, stored.kind):
        return "source-changed"
    agrees = stored.run_digest == run_digest(stored.fingerprint, model_digest, settings)
    touched = stored.is_touched(now)
    if touched and (trust or not agrees) and stored.fingerprint != index.files.fingerprint(source):
        return "source-changed"
    if not agrees:
        return "other-settings"
    if not touched:
        return "finished"
    if trust:  # so that its fingerprint need not be read again
        index.add(source.relative, stored.at(now))
        return "finished"
    return "touched" if stored.sha256 else "source-changed"


def unchanged(
    target: Path, source: Source, index: ResultsIndex, stop: threading.Event
) -> FinishedFile | None:
    """Read all bytes of a touched source; return its results' description as of now if they are those of before.

    Args:
        target: the results.
        source: a video whose results' state is `touched`.
        index: as it was given to `result_state`.
        stop: ends the reading early when set.

    Returns:
        None where the bytes are others, or the results are gone.

    Raises:
        VideoError: the source cannot be read.
        StoppedError: `stop` was set.
    """
    known = index.find(source.relative, target)
    if known is None or not known.sha256:
        return None
    now = index.files.source_state(source)
    found = sha256(source.path, stop)
    if stop.is_set():
        raise StoppedError
    return known.at(now) if found == known.sha256 else None
