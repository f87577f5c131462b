"""Shares of a run for several machines, weighed by the durations of the videos and kept in a Parquet file.

By a hash of each path (`Shard.holds`) shares have equal numbers of videos, and unequal work where a few are long.
"""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

from autrt.errors import UsageError
from autrt.extras import importing
from autrt.results.in_processes import Died, in_processes
from autrt.run.shard import Shard
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import escape, unescape
from autrt.types import Source
from autrt.video.probe import stated_length_s

PLAN_SCHEMA: Final = "autrt-plan/1"

VIDEO_COST_S: Final = 1.0
"""Seconds of video that opening a video and writing its results cost as much as, about."""

_KEY: Final = b"autrt-plan"

_COLUMNS: Final = ("path", "relative", "kind", "length_s", "shard")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSource:
    """A video of a plan."""

    source: Source
    length_s: float | None
    """Stated duration; None where it states none, or cannot be read."""
    shard: int
    """From 1."""


def survey(
    sources: Sequence[Source], image_rate: Fraction, jobs: int, on_done: Callable[[], object] = lambda: None
) -> list[float | None]:
    """Return the stated duration in seconds of each source, or None; a file that crashes its reader has none.

    Args:
        sources: the videos.
        image_rate: pictures a second, for folders of numbered pictures.
        jobs: processes at once.
        on_done: called after each.
    """
    lengths: list[float | None] = [None] * len(sources)
    read = partial(_length_s, image_rate=image_rate)
    with closing(in_processes(read, sources, jobs, preload=__name__)) as work:
        for place, found in work:
            lengths[place] = None if isinstance(found, Died) else found
            on_done()
    return lengths


def share_out(sources: Sequence[Source], lengths: Sequence[float | None], shards: int) -> list[PlannedSource]:
    """Give each video, the longest first, to the shard that has least work so far (Graham 1969, LPT).

    A video of unknown duration counts as one of median duration.

    Args:
        sources: the videos.
        lengths: their durations in seconds.
        shards: number of shares.

    Returns:
        The videos of each shard in the order in which they are best done: the longest first.
    """
    known = [length_s for length_s in lengths if length_s is not None]
    usual_s = statistics.median(known) if known else 0.0
    costs = [VIDEO_COST_S + (usual_s if length_s is None else length_s) for length_s in lengths]
    order = sorted(range(len(sources)), key=lambda i: (-costs[i], sources[i].relative))
    loads = [(0.0, shard) for shard in range(1, shards + 1)]
    planned: list[PlannedSource] = []
    for i in order:
        load_s, shard = heapq.heappop(loads)
        heapq.heappush(loads, (load_s + costs[i], shard))
        planned.append(PlannedSource(source=sources[i], length_s=lengths[i], shard=shard))
    return sorted(planned, key=lambda video: video.shard)


def write_plan(path: Path, planned: Sequence[PlannedSource], shards: int) -> None:
    """Write a plan, whole or not at all.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        DiskFullError, ResultsError: it cannot be written.
    """
    with importing("a plan", "tables"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    columns: dict[str, list[Any]] = {
        "path": [escape(str(video.source.path.absolute())) for video in planned],
        "relative": [escape(video.source.relative) for video in planned],
        "kind": [video.source.kind for video in planned],
        "length_s": [video.length_s for video in planned],
        "shard": [video.shard for video in planned],
    }
    kinds = (pa.string(), pa.string(), pa.string(), pa.float64(), pa.int32())
    schema = pa.schema(
        list(zip(_COLUMNS, kinds, strict=True)), metadata={_KEY: f"{PLAN_SCHEMA} {shards}".encode()}
    )
    with replacing(path) as part:
        pq.write_table(pa.table(columns, schema=schema), part, compression="zstd")


def read_plan(path: Path, shard: Shard | None) -> list[Source]:
    """Return the videos of a plan: those of a shard, or all.

    Raises:
        UsageError: the file is no plan, or one of another number of shards.
        MissingDependencyError: pyarrow is not installed.
    """
    with importing("a plan", "tables"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        with pq.ParquetFile(path) as file:
            schema, _, n = (file.schema_arrow.metadata or {}).get(_KEY, b"").decode().partition(" ")
            if schema != PLAN_SCHEMA:
                raise UsageError(
                    f"{escape(str(path))}: expected a plan ({PLAN_SCHEMA}), found {schema or 'another file'}"
                )
            rows = file.read(list(_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{escape(str(path))} is no plan that `autrt plan` wrote: {error}") from error
    if shard is not None and shard.n != int(n):
        raise UsageError(
            f"{escape(str(path))} has {n} shards: expected shard I/{n}, found {shard.i}/{shard.n}"
        )
    return [
        Source(Path(unescape(row["path"])), unescape(row["relative"]), row["kind"])
        for row in rows
        if shard is None or row["shard"] == shard.i
    ]


def _length_s(source: Source, *, image_rate: Fraction) -> float | None:
    try:
        return stated_length_s(source, image_rate)
    except Exception:
        return None  # `infer` says why
