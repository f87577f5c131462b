"""Whether a video's results are there already, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from autrt.errors import ResultsError
from autrt.results.fingerprint import fingerprint, run_digest, size_and_mtime
from autrt.results.reader import open_results
from autrt.types import Source

ResultState = Literal["finished", "missing", "other-settings", "source-changed", "damaged"]
"""`other-settings`: whole, of this source, by another model or other settings."""


def result_state(target: Path, source: Source, model_digest: str, settings: Mapping[str, Any]) -> ResultState:
    """Tell whether `target` holds the whole results of `source` by this model and these settings.

    The source's size must be the same, and its time of change too, or else its fingerprint: only then is the
    source opened. A file that is incomplete or foreign counts as damaged.

    Args:
        target: see `names.results_path`.
        source: the video.
        model_digest: as for `fingerprint.run_digest`.
        settings: as for `fingerprint.run_digest`.

    Raises:
        VideoError: the source cannot be read.
    """
    try:
        with open_results(target) as results:
            stored, digest = results.header.source, results.run_digest
    except ResultsError:
        return "damaged" if target.exists() else "missing"
    size_bytes, mtime_ns = size_and_mtime(source.path)
    if (stored.path, stored.kind, stored.size_bytes) != (source.relative, source.kind, size_bytes):
        return "source-changed"
    if stored.mtime_ns != mtime_ns and stored.fingerprint != fingerprint(source.path):
        return "source-changed"
    if digest != run_digest(stored.fingerprint, model_digest, settings):
        return "other-settings"
    return "finished"


def is_finished(target: Path, source: Source, model_digest: str, settings: Mapping[str, Any]) -> bool:
    """Whether `result_state` is finished; takes and raises the same."""
    return result_state(target, source, model_digest, settings) == "finished"
