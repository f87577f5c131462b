"""The rows of one results file in the three tables of a data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from autrt.results.dataset.layout import DATASET_SCHEMA
from autrt.results.dataset.plan import ResultsFile
from autrt.results.extra_columns import extra_columns
from autrt.results.reader import Results
from autrt.results.schema import FEATURES
from autrt.results.tables.columns import ALL_GROUPS, OF_QUALITY
from autrt.results.tables.layout import TableLayout, make_layout
from autrt.results.tables.parquet import arrow_schema, arrow_table
from autrt.results.tables.rows import read_rows
from autrt.storage.escape import escape

Array = np.ndarray[Any, Any]

_NAME: Final = pa.dictionary(pa.int32(), pa.string())

_KEYS: Final = (
    pa.field(
        "results", _NAME, metadata={"description": "the results file, relative to the folder of results"}
    ),
    pa.field("video", _NAME, metadata={"description": "the video, relative to its input folder"}),
)
"""First columns of every table. Videos of several input folders may share a name, results files cannot."""

_LOSS: Final = pa.struct([("time_s", pa.float64()), ("packets", pa.int64()), ("reason", pa.string())])

_VIDEO_FIELDS: Final = (
    ("model_name", _NAME), ("model_digest", _NAME), ("run_digest", pa.string()),
    ("source_kind", _NAME), ("source_size_bytes", pa.int64()), ("source_mtime_ns", pa.int64()),
    ("source_fingerprint", pa.string()), ("source_sha256", pa.string()),
    ("video_width_px", pa.int32()), ("video_height_px", pa.int32()), ("video_rate_hz", pa.float64()),
    ("video_codec", _NAME), ("video_pixel_format", _NAME), ("video_duration_s", pa.float64()),
    ("engine", _NAME), ("precision", _NAME), ("device", _NAME), ("detector_digest", _NAME), ("baseline", _NAME),
    ("times_from", _NAME), ("started_utc", pa.string()), ("command", pa.string()),
)  # fmt: skip
"""Columns of `videos` that are facts of the header, by their names there."""

_COUNTS: Final = (
    "n_frames", "n_faces", "n_tracks", "n_damaged_frames", "n_losses", "lost_packets", "repaired_times",
)  # fmt: skip

VIDEOS: Final = pa.schema(
    [
        *_KEYS,
        *(pa.field(name, kind) for name, kind in _VIDEO_FIELDS),
        pa.field("finished_utc", pa.string()),
        *(pa.field(name, pa.int64()) for name in _COUNTS),
        pa.field(
            "end_s", pa.float64(), metadata={"description": "time of the last frame; null without frames"}
        ),
        pa.field("losses", pa.list_(_LOSS)),
        pa.field("versions", pa.map_(pa.string(), pa.string())),
        pa.field("settings", pa.string(), metadata={"description": "JSON"}),
        pa.field("recomputed", pa.string(), metadata={"description": "JSON; see docs/results.md"}),
        pa.field("results_size_bytes", pa.int64()),
        pa.field("results_mtime_ns", pa.int64()),
    ]
)


class ModelTables:
    """Schemas and rows of the results of one model.

    Args:
        example: a results file of the model.
    """

    def __init__(self, example: Results) -> None:
        self._layout = _layout(example)
        plain = arrow_schema(self._layout)
        self._plain = plain
        others = [plain.field(name) for name in plain.names if name != "video"]
        about = {"autrt": json.dumps(self._layout.metadata)}
        self.faces = pa.schema([*_KEYS, *others], metadata=about)
        self.tracks = pa.schema([*_KEYS, *_track_fields(example.au_names)], metadata=about)

    def face_rows(self, file: ResultsFile, results: Results) -> Iterator[pa.Table]:
        """Yield the rows of `faces`: one for each face in a frame, and one for each frame without."""
        for rows in read_rows(results, self._layout.columns, faces_only=False):
            found = arrow_table(self._layout, rows, self._plain)
            columns = [found.column(name) for name in self._plain.names if name != "video"]
            yield pa.table([*_keys(file, results, len(rows)), *columns], schema=self.faces)

    def track_rows(self, file: ResultsFile, results: Results) -> pa.Table:
        """Return the rows of `tracks`."""
        columns = _tracks(results)
        keys = _keys(file, results, len(results.tracks))
        values = [pa.array(columns[name], self.tracks.field(name).type, from_pandas=True) for name in columns]
        return pa.table([*keys, *values], schema=self.tracks)


def video_row(file: ResultsFile, results: Results) -> dict[str, Any]:
    """Return the row of `videos`, by the names of `VIDEOS`."""
    header = results.header
    facts = header.attributes()
    losses = [results.lost[name].tolist() for name in ("time_s", "packets", "reason")]
    names = ("time_s", "packets", "reason")
    end = results.frames["time_s", max(results.n_frames - 1, 0) : results.n_frames].tolist()
    return {
        "results": file.name,
        "video": escape(header.source.path),
        **{name: facts[name] for name, _ in _VIDEO_FIELDS},
        "command": escape(header.command),
        "finished_utc": results.finished_utc,
        "n_frames": results.n_frames,
        "n_faces": results.n_faces,
        "n_tracks": len(results.tracks),
        "n_damaged_frames": int(results.damaged().sum()),
        "n_losses": len(results.lost),
        "lost_packets": sum(losses[1]),
        "repaired_times": results.repaired_times,
        "end_s": end[0] if end else None,
        "losses": [dict(zip(names, loss, strict=True)) for loss in zip(*losses, strict=True)],
        "versions": dict(header.versions),
        "settings": json.dumps(header.settings),
        "recomputed": json.dumps(list(header.recomputed)),
        "results_size_bytes": file.size_bytes,
        "results_mtime_ns": file.mtime_ns,
    }


def _layout(example: Results) -> TableLayout:
    further = [name for name in {**OF_QUALITY, **extra_columns(example)} if name != FEATURES.name]
    layout = make_layout([example], [*ALL_GROUPS, "damaged", "picture", *further])
    model = {k: v for k, v in layout.metadata["models"][0].items() if k != "videos"}
    return TableLayout(
        columns=layout.columns,
        faces_only=False,
        gaps=True,
        metadata={"dataset": DATASET_SCHEMA, "models": [model]},
    )


def _keys(file: ResultsFile, results: Results, n: int) -> list[pa.DictionaryArray]:
    texts = (file.name, escape(results.header.source.path))
    places = pa.array(np.zeros(n, np.int32))
    return [pa.DictionaryArray.from_arrays(places, pa.array([text])) for text in texts]


def _track_fields(au_names: Sequence[str]) -> Iterator[pa.Field]:
    yield pa.field("track", pa.int32())
    yield pa.field("person", pa.int32())
    for name in ("first_frame", "last_frame", "n_faces"):
        yield pa.field(name, pa.int64())
    for name in ("start_s", "end_s"):
        yield pa.field(name, pa.float64())
    for what in ("active_share", "mean_smoothed", "peak_smoothed", "baseline"):
        for au in au_names:
            yield pa.field(f"{escape(au)}_{what}", pa.float32())


def _tracks(results: Results) -> Mapping[str, Array]:
    """Return the columns of `tracks` behind the keys."""
    stored = results.tracks
    index, time_s = results.frames["index"], results.frames["time_s"]
    first, last, track = stored["first_frame"], stored["last_frame"], results.faces["track"]
    place = np.searchsorted(stored["id"], track)
    smoothed, n, n_aus = results.faces["smoothed"], stored["n_faces"], len(results.au_names)
    active, total = np.zeros((len(n), n_aus)), np.zeros((len(n), n_aus))
    peak = np.zeros((len(n), n_aus), np.float32)
    np.add.at(active, place, results.faces["active"])
    np.add.at(total, place, smoothed)
    np.maximum.at(peak, place, smoothed)
    baseline = stored["baseline"] if "baseline" in stored.columns else np.full((len(n), n_aus), np.nan)
    of_aus = {
        "active_share": active / n[:, None],
        "mean_smoothed": total / n[:, None],
        "peak_smoothed": peak,
        "baseline": baseline,
    }
    return {
        "track": stored["id"],
        "person": results.people(),
        "first_frame": index[first],
        "last_frame": index[last],
        "n_faces": n,
        "start_s": time_s[first],
        "end_s": time_s[last],
        **{
            f"{escape(au)}_{what}": values[:, i].astype(np.float32)
            for what, values in of_aus.items()
            for i, au in enumerate(results.au_names)
        },
    }
