"""Writes the results file of one video: whole, verified and durable, or not at all.

h5py holds one lock of the process around every call into HDF5, and a writer's file is its own: writers of
different videos may work in different threads; one writer takes one thread at a time. Never fork around it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from autrt.errors import ResultsError
from autrt.results.attributes import write_attributes
from autrt.results.hdf5_attributes import Attributes
from autrt.results.header import Header
from autrt.results.schema import CACHE_BYTES, FACE_FIELDS, SCHEMA, Column, columns_of
from autrt.results.table_writer import TableWriter, text_rows
from autrt.results.tracks import TrackTally
from autrt.results.verification.verify import verify
from autrt.storage.atomic_file import Part
from autrt.storage.deferred_error_file import DeferredErrorFile
from autrt.storage.disk import explain
from autrt.storage.escape import escape
from autrt.types import F32, F64, I32, I64, Block, Bool, Loss, Stills

_HDF5_1_8 = ("v108", "v108")
"""HDF5 version that every tool since 2008 reads, and the first with checksums over its own structures."""


class ResultsWriter:
    """The results file of one video, under a temporary name until `finish`.

    As a context manager it abandons what was not finished.

    Args:
        target: the file (see `names.results_path`); its folder is made, a file of that name replaced.
        header: facts known before the first row.
        keep_members: also store the members' logits.
        damaged: also store which frames are damaged.
        outputs: columns of `/faces` for further outputs of the networks; see `outputs.output_columns`.
        stills: names and sizes of the frames' pictures, by the frames' index, where these are stills of a folder.
        permit: as for `Part`.

    Raises:
        DiskFullError: no room; this and every other method. Nothing is left behind.
        ResultsError: the place cannot be written; `finish` too.
    """

    def __init__(
        self,
        target: Path,
        header: Header,
        *,
        keep_members: bool = False,
        damaged: bool = False,
        outputs: Sequence[Column] = (),
        stills: Stills | None = None,
        permit: Path | None = None,
    ) -> None:
        self._header = header
        self._keep_members = keep_members
        self._damaged = damaged
        self._outputs = tuple(outputs)
        self._stills = stills
        self._names = text_rows([] if stills is None else list(map(escape, stills.names)))
        self._tally = TrackTally()
        self._part = Part(target, permit)
        self._disk = DeferredErrorFile(self._part.fd)
        with self._whole_or_nothing():
            self._file = h5py.File(self._disk, "w", libver=_HDF5_1_8, rdcc_nbytes=CACHE_BYTES)
            self._frames = self._table("frames", self._names.dtype.itemsize)
            self._faces = self._table("faces")

    def write(self, block: Block, logit: F32, probability: F32, smoothed: F32, active: Bool) -> None:
        """Take the next frames and their faces.

        Args:
            block: the frames, the faces in them and the networks' outputs.
            logit: (F, A) float32, the ensemble's.
            probability: (F, A) float32, sigmoid of `logit`.
            smoothed: (F, A) float32 probabilities.
            active: (F, A) bool.

        Raises:
            ValueError: other shapes or dtypes, or faces of other frames.
        """
        faces, n = block.faces, len(block.index)
        inside = faces.row - self._frames.n_rows
        if len(inside) and not 0 <= inside.min() <= inside.max() < n:
            raise ValueError(f"expected faces of {n} frames from row {self._frames.n_rows} on, found others")
        n_faces = np.bincount(inside, minlength=n).astype(np.int32)
        rows = {column.name: getattr(faces, column.field) for column in FACE_FIELDS}
        rows |= {column.name: block.outputs[column.output] for column in self._outputs}
        rows |= {
            "logit": logit,
            "probability": probability,
            "smoothed": smoothed,
            "active": active,
            "member_logit": block.member_logits,
        }
        with self._whole_or_nothing():
            self._frames.add(
                {
                    "index": block.index,
                    "pts": block.pts,
                    "time_s": block.time_s,
                    "n_faces": n_faces,
                    "damaged": block.damaged,
                    **self._of_stills(block.index),
                }
            )
            self._faces.add(rows)
            self._tally.add(faces.row, faces.track)

    def finish(
        self,
        losses: Sequence[Loss] = (),
        repaired_times: int = 0,
        baseline: F32 | None = None,
        person: I32 | None = None,
    ) -> Path:
        """Write the rest, make it durable, read it all back, and give the file its name.

        Args:
            losses: parts of the video that could not be decoded.
            repaired_times: number of presentation times that had to be set.
            baseline: (T, A) float32, a row per track id, where the header names a baseline.
            person: (T,) int32 person of each track id; not stored of a single track.

        Returns:
            The file.
        """
        with self._whole_or_nothing():
            attributes = {
                **self._frames.close(),
                **self._faces.close(),
                **self._write_tracks(baseline, person),
                **self._write_losses(losses),
            }
            self._seal(repaired_times, attributes)
            self._file.close()
        with self._whole_or_nothing():
            if problems := verify(self._part.path):
                raise ResultsError(
                    f"what was written to {self._part.target} does not read back: {problems[0]}"
                )
            self._part.commit()
        return self._part.target

    def abandon(self) -> None:
        """Discard the file; does nothing after `finish`."""
        self._disk.drop()
        if hasattr(self, "_file"):
            with suppress(Exception):  # HDF5 may stumble over what was dropped; the file goes anyway
                self._file.close()
        self._part.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    @contextmanager
    def _whole_or_nothing(self) -> Generator[None]:
        """Abandon the file if the block fails, or if the disk refused a write within it."""
        try:
            yield
            if self._disk.error:
                raise self._disk.error
        except BaseException as error:
            refused = self._disk.error
            self.abandon()
            if refused:
                raise explain(refused, self._part.target) from error
            raise

    def _table(self, name: str, text_bytes: int = 1, *, person: bool = False) -> TableWriter:
        header = self._header
        columns = columns_of(
            name,
            keep_members=self._keep_members,
            baseline=header.baseline != "none",
            damaged=self._damaged,
            stills=self._stills is not None,
            person=person,
            outputs=self._outputs,
        )
        shapes = {c: c.shape(len(header.au_names), len(header.member_names)) for c in columns}
        return TableWriter(self._file, name, shapes, text_bytes)

    def _of_stills(self, index: I64) -> dict[str, Any]:
        """Return the columns of `/frames` that stills alone have."""
        if self._stills is None:
            return {}
        width, height = self._stills.sizes_px[index].T
        return {"picture": self._names[index], "width": width.copy(), "height": height.copy()}

    def _write_tracks(self, baseline: F32 | None, person: I32 | None) -> Attributes:
        rows = self._tally.table()
        if person is not None and len(rows["id"]) > 1:
            rows["person"] = person[rows["id"]]
        if baseline is None:
            baseline = np.full((len(rows["id"]), len(self._header.au_names)), np.nan, np.float32)
        else:
            baseline = baseline[rows["id"]]
        table = self._table("tracks", person="person" in rows)
        table.add({**rows, "baseline": baseline})
        return table.close()

    def _write_losses(self, losses: Sequence[Loss]) -> Attributes:
        reasons = text_rows([loss.reason for loss in losses])
        table = self._table("lost", reasons.dtype.itemsize)
        table.add(
            {
                "time_s": np.array([loss.time_s for loss in losses], np.float64),
                "packets": np.array([loss.packets for loss in losses], np.int64),
                "reason": reasons,
            }
        )
        return table.close()

    def _seal(self, repaired_times: int, attributes: Attributes) -> None:
        """Write the attributes of the file beside those of its tables."""
        closing = {
            "schema": SCHEMA,
            "repaired": repaired_times,
            "video_variable_rate": varies(self._frames.read("time_s"), float(self._header.time_base)),
            "finished_utc": utc_now(),
            "complete": True,
        }
        write_attributes(self._file, {**self._header.attributes(), **closing}, attributes)


def varies(time_s: F64, tick_s: float) -> bool:
    """Return whether over 1 % of the steps between (N,) frame times are off the median step.

    Off is more than a tenth of the median step and more than 1.5 ticks of `tick_s` seconds.
    """
    steps = np.diff(time_s)
    if not len(steps):
        return False
    middle = np.median(steps)
    return bool((np.abs(steps - middle) > max(0.1 * middle, 1.5 * tick_s)).mean() > 0.01)


def utc_now() -> str:
    """Return the time as ISO 8601 text, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
