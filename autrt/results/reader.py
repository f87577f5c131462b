"""Lazy reader of results files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from autrt.errors import ResultsError
from autrt.face.pose import head_pose
from autrt.grades import UNGRADED
from autrt.results.attributes import read_attributes
from autrt.results.events.find import MIN_DURATION_S, RELEASE, AUEvent, EventRule, find_events
from autrt.results.header import Header
from autrt.results.schema import CACHE_BYTES, TABLES
from autrt.results.table import Table, file_error
from autrt.results.tables.formats import find_format
from autrt.storage.escape import escape, unescape
from autrt.types import F32, I32, I64, Stills

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]


def open_results(path: Path | str) -> Results:
    """Open a results file for reading.

    Only the header is read here. Columns of its four tables (`frames`, `faces`, `tracks`, `lost`) are read
    from disk when they are indexed, whole or by rows, so files larger than memory can be read:

        with autrt.open_results("out/anna.mp4.h5") as results:
            print(results)  # video, frames, faces, tracks, AUs, model
            smoothed = results.faces["smoothed"]  # (F, A) float32
            for track in results.each_track():  # one face through one shot
                print(track.id, track.time_s, track["active"].mean(axis=0))
            table = results.to_dataframe(["smoothed"])  # pandas

    `results.header` holds source, video, model and settings; docs/results.md describes all columns.

    Args:
        path: a file that `autrt infer` wrote.

    Raises:
        ResultsError: the file is missing, unfinished or damaged, or not a results file of a known schema.
    """
    return Results(Path(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One face through one shot."""

    id: int
    person: int
    """Tracks of one number show one person; −1 where that is unsure."""
    first_frame: int
    """Row of `/frames`."""
    last_frame: int
    """Row of `/frames`."""
    rows: I64
    """(n_faces,) int64, the track's rows of `/faces`, in order of time."""
    time_s: Array
    """(n_faces,) float64 seconds."""
    _faces: Table = field(repr=False)

    def __getitem__(self, name: str) -> Array:
        """Return the track's rows of a column of `/faces`: (n_faces, …)."""
        if not len(self.rows):
            return self._faces[name, 0:0]
        start = int(self.rows[0])
        return self._faces[name, start : int(self.rows[-1]) + 1][self.rows - start]


class Results:
    """An open results file; a context manager. See `open_results`.

    Letters in shapes: N frames, F faces, T tracks, A Action Units.

    Attributes:
        path: of the file.
        header: source, video, model and settings; see `header.Header`.
        repaired_times: number of presentation times that had to be set.
        variable_rate: True if the frame intervals vary.
        finished_utc: time at which the file was finished, ISO 8601.
        run_digest: SHA-256 (hex) over source, model and settings.
        attributes: every fact about the file by name, as `schema.ATTRIBUTES` lists them.
        file: the open `h5py.File`.
        frames: table of N decoded frames: index, pts, time_s, n_faces, and damaged where some are.
        faces: table of F faces: frame, track, box, landmarks, score, source, logit, …
        tracks: table of T tracks: id, first_frame, last_frame, n_faces, and person where there are several.
        lost: table of places that could not be decoded: time_s, packets, reason.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _opened(path)
        try:
            attributes = self.attributes = read_attributes(self.file)
            self.header = Header.from_attributes(attributes)
            self.repaired_times: int = attributes["repaired"]
            self.variable_rate: bool = attributes["video_variable_rate"]
            self.finished_utc: str = attributes["finished_utc"]
            self.run_digest: str = attributes["run_digest"]
            self.frames, self.faces, self.tracks, self.lost = (Table(self.file, t, path) for t in TABLES)
            if missing := [t for t in TABLES if not self.file.id.links.exists(t.encode())]:
                raise ResultsError(f"/{missing[0]} is missing")
        except Exception as error:
            self.file.close()
            raise file_error(path, f"no whole results file: {error}") from error

    def __repr__(self) -> str:
        name = escape(self.header.source.path)
        if not self.file:
            return f"<Results of {name}: closed>"
        return (
            f"<Results of {name}: {self.n_frames} frames, {self.n_faces} faces in {len(self.tracks)} tracks, "
            f"{len(self.au_names)} AUs by {escape(self.header.model_name)}>"
        )

    @property
    def au_names(self) -> tuple[str, ...]:
        """Action Units, in the order of the columns' last axis."""
        return self.header.au_names

    @property
    def au_grades(self) -> tuple[str, ...]:
        """Grade of each Action Unit: validated, weak, experimental, or ungraded if the model states none."""
        return self.header.au_grades or (UNGRADED,) * len(self.au_names)

    @property
    def n_frames(self) -> int:
        """Rows of `/frames`."""
        return len(self.frames)

    @property
    def n_faces(self) -> int:
        """Rows of `/faces`."""
        return len(self.faces)

    def each_track(self) -> Iterator[Track]:
        """Yield the tracks, by id."""
        frame = self.faces["frame"]
        order, starts = self._rows_by_track
        columns = (self.tracks[name].tolist() for name in ("id", "first_frame", "last_frame"))
        for i, (track, first, last, person) in enumerate(zip(*columns, self.people().tolist(), strict=True)):
            rows = order[starts[i] : starts[i + 1]]
            times = self.frames["time_s", first : last + 1]
            yield Track(
                id=track,
                person=person,
                first_frame=first,
                last_frame=last,
                rows=rows,
                time_s=times[frame[rows] - first],
                _faces=self.faces,
            )

    def damaged(self, rows: slice = slice(None)) -> Array:
        """Return which frames may be wrong, as the video is damaged there: (n,) bool, of all frames or some rows.

        Results of earlier versions mark none: there, `lost` alone tells of damage.
        """
        if "damaged" in self.frames:
            return self.frames["damaged", rows]
        return np.zeros(len(range(*rows.indices(self.n_frames))), np.bool_)

    def quality(self, rows: slice = slice(None)) -> F32:
        """Return how far the numbers of all faces, or of some rows, can be trusted: (n,) float32, 0 to 1.

        docs/results.md says how it is made.

        Raises:
            ResultsError: the file is damaged, or of an earlier version, which stored none.
        """
        if "quality" not in self.faces:
            raise file_error(
                self.path,
                "it has no qualities, as an earlier version made it: `autrt infer --overwrite` adds them",
            )
        return self.faces["quality", rows].astype(np.float32)

    def pose(self, rows: slice = slice(None)) -> F32:
        """Return yaw, pitch and roll in degrees of the heads of all faces, or of some rows: (n, 3) float32.

        They are computed from the landmarks, along the line of sight: yaw is positive for a face turned to the left
        of the picture (the person's right), pitch for one that is lowered, roll for one that leans clockwise. NaN
        for aligned crops, whose landmarks are not their own. docs/results.md states the accuracy.

        Raises:
            ResultsError: the file is damaged.
        """
        landmarks = self.faces["landmarks", rows]
        if "aligned" in self.header.settings:
            return np.full((len(landmarks), 3), np.nan, np.float32)
        return head_pose(landmarks, Fraction(self.header.video.pixel_aspect).limit_denominator(1000))

    def people(self) -> I32:
        """Return the (T,) int32 person of each track.

        Tracks of one number show one person. −1 where that is unsure, as it is in results of earlier versions.
        """
        if "person" in self.tracks:
            return self.tracks["person"]
        return np.full(len(self.tracks), 0 if len(self.tracks) == 1 else -1, np.int32)

    def stills(self) -> Stills | None:
        """Return names and sizes of a folder's stills by the index of their frame; None for other sources.

        Of pictures that could not be decoded the name is empty, and the size 0.
        """
        if "picture" not in self.frames:
            return None
        index, columns = self.frames["index"], [self.frames[name] for name in ("width", "height")]
        n = int(index.max(initial=-1)) + 1
        names, sizes_px = [""] * n, np.zeros((n, 2), np.int32)
        for place, name in zip(index.tolist(), self.frames["picture"], strict=True):
            names[place] = unescape(name)
        sizes_px[index] = np.stack(columns, axis=1)
        return Stills(names, sizes_px)

    def spans(self, frames_per_span: int = 4096) -> Iterator[tuple[slice, slice]]:
        """Yield consecutive rows of `/frames`, at most `frames_per_span`, with their rows of `/faces`."""
        face = 0
        for start in range(0, self.n_frames, frames_per_span):
            stop = min(start + frames_per_span, self.n_frames)
            n = int(self.frames["n_faces", start:stop].sum())
            yield slice(start, stop), slice(face, face + n)
            face += n

    def events(
        self, *, release: float = RELEASE, min_duration_s: float = MIN_DURATION_S
    ) -> tuple[AUEvent, ...]:
        """Return when each Action Unit of each track sets in, peaks and ends, by onset.

        An event is a stretch of one track in which the smoothed probability of an AU is at least `release` times
        its threshold, and in which the AU is active at least once (hysteresis). It ends where the face is gone for
        more than 0.2 s and 2.5 frame intervals. `pandas.DataFrame(results.events())` makes a table of them.

        Args:
            release: share of the threshold, 0 < release ≤ 1; at 1 events are runs of active frames.
            min_duration_s: shorter events are left out.

        Raises:
            UsageError: a number is out of its range.
            ResultsError: the file is damaged.
        """
        return find_events(self, EventRule(release=release, min_duration_s=min_duration_s))

    def to_dataframe(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        faces_only: bool = False,
        min_quality: float | None = None,
    ) -> pd.DataFrame:
        """Return a table with a row per face: video, frame, time_s, track, and the chosen columns of `/faces`.

        A frame without a face has one row whose other values are missing (NaN, or `pandas.NA` in whole numbers
        and decisions, whose columns therefore have pandas' nullable dtypes).

        Args:
            columns: such as `["smoothed", "active", "box"]`, or single ones such as `["AU12_active"]`; one may be
                given as text; default: all but the members' logits.
            faces_only: leave out frames without a face; all dtypes are then NumPy's.
            min_quality: leave out faces whose quality is lower, 0 to 1.

        Raises:
            MissingDependencyError: pandas is not installed.
            UsageError: there is no such column, or `min_quality` is not from 0 to 1.
            ResultsError: the file is damaged, or does not hold the members' logits or the qualities.
        """
        return find_format("dataframe")(self, columns, faces_only, min_quality)

    def to_fex(self) -> pd.DataFrame:
        """Return a table under the names of py-feat's `Fex`, with a row per face, and per frame without a face.

        Columns: input (the video), frame, time_s, track, FaceRectX, FaceRectY, FaceRectWidth, FaceRectHeight (px),
        FaceScore, and AU01 … with the smoothed probabilities, 0 to 1. py-feat's own columns of 68 landmarks, head
        pose, emotions and identity have no counterpart. With py-feat, `feat.Fex(table, au_columns=[…])` wraps it.

        Raises:
            MissingDependencyError: pandas is not installed.
            ResultsError: the file is damaged.
        """
        return find_format("fex")(self)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def _rows_by_track(self) -> tuple[I64, I64]:
        track = self.faces["track"]
        order = np.argsort(track, kind="stable")
        return order, np.append(np.searchsorted(track[order], self.tracks["id"]), len(track))


def _opened(path: Path) -> Any:
    if path.is_dir():
        raise file_error(path, "expected a results file, found a folder")
    try:
        return _unlocked(path)
    except FileNotFoundError as error:
        raise file_error(path, "there is no such file") from error
    except OSError as error:
        raise file_error(path, f"no whole HDF5 file: {error}") from error


def _unlocked(path: Path) -> Any:
    # A finished results file never changes, so readers need no lock (network disks may not support one).
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=CACHE_BYTES)
    except FileNotFoundError:
        raise
    except OSError:  # this process has the file open with locking, and HDF5 refuses to mix the two
        return h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)
