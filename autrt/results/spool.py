"""The raw rows of one video on disk while it is processed, so that memory stays flat for hours of video."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np

from autrt.results.schema import FACE_FIELDS, Column
from autrt.storage.disk import make_folder, write_all, writing
from autrt.types import F32, F64, Block, Faces

_FRAME: Final = np.dtype(
    [("index", "i8"), ("pts", "i8"), ("time_s", "f8"), ("damaged", "?"), ("first_face", "i8")]
)
_ROWS_AT_A_TIME: Final = 1 << 16


class Span(NamedTuple):
    """A stretch of a video with some of its surroundings."""

    block: Block
    """The stretch and all rows within the halo before and after it."""
    frames: slice
    """The stretch's own frames in `block`."""
    faces: slice
    """The stretch's own faces in `block`."""
    first_row: int
    """Row of the block's first frame in the video's frame table, from which `faces.row` counts."""

    @property
    def face_time_s(self) -> F64:
        """(F,) float64 seconds: the time of each face's frame in `block`."""
        return self.block.time_s[self.block.faces.row - self.first_row]

    @property
    def inner(self) -> Block:
        """The stretch without its halo."""
        block = self.block
        return Block(
            index=block.index[self.frames],
            pts=block.pts[self.frames],
            time_s=block.time_s[self.frames],
            damaged=block.damaged[self.frames],
            faces=block.faces[self.faces],
            outputs={name: values[self.faces] for name, values in block.outputs.items()},
        )


class Spool:
    """Takes a video's blocks in order and gives them back, any number of times, in even pieces with a halo.

    Rows lie in unnamed temporary files, so a killed process leaves nothing. The pieces depend on the rows alone,
    not on the blocks they came in. One thread at a time.

    Args:
        folder: folder of the files; made if need be.
        n_members: M of the blocks' member logits.
        n_aus: A of the blocks' member logits.
        outputs: columns whose outputs are kept, in their dtypes, beside the logits; all others of a block are
            dropped.

    Raises:
        DiskFullError: no room (`append` too).
        ResultsError: the folder cannot be written.
    """

    def __init__(self, folder: Path, n_members: int, n_aus: int, outputs: Sequence[Column] = ()) -> None:
        self._folder = folder
        self._outputs = {"logits": (n_members, n_aus)} | {c.output: c.tensor.shape for c in outputs}
        dtypes = {"logits": "float32"} | {c.output: c.dtype for c in outputs}
        fields: list[Any] = [(c.name, c.dtype, c.shape(n_aus, n_members)) for c in FACE_FIELDS]
        fields += [(_output(name), dtypes[name], shape) for name, shape in self._outputs.items()]
        self._face = np.dtype(fields)
        self.n_frames = 0
        self.n_faces = 0
        with writing(folder):
            make_folder(folder)
            self._frames_file, self._faces_file = unnamed_file(folder), unnamed_file(folder)

    def append(self, block: Block) -> None:
        """Take the next frames.

        Raises:
            DiskFullError: no room.
            ValueError: faces of other frames, or outputs that lack or differ in shape from what was announced.
        """
        frames, faces = self._records(block)
        with writing(self._folder):
            write_all(self._faces_file.fileno(), faces.view(np.uint8).data)
            write_all(self._frames_file.fileno(), frames.view(np.uint8).data)
        self.n_frames += len(frames)
        self.n_faces += len(faces)

    def times(self) -> F64:
        """Return the (N,) float64 times in seconds of all frames so far."""
        return self._frame_column("time_s")

    def blocks(
        self, frames_per_block: int = 4096, halo_s: float = 0.0, faces_per_block: int = 1 << 16
    ) -> Iterator[Span]:
        """Yield the video in pieces, each with the frames and faces up to `halo_s` before and after it.

        Args:
            frames_per_block: frames of a piece.
            halo_s: seconds, inclusive.
            faces_per_block: a piece ends before it holds more faces (one frame may), so that crowds stay flat
                in memory too.
        """
        times = self.times()
        first_face = np.append(self._frame_column("first_face"), self.n_faces)
        start = 0
        while start < self.n_frames:
            fitting = int(np.searchsorted(first_face, first_face[start] + faces_per_block, "right")) - 1
            stop = min(start + frames_per_block, self.n_frames, max(fitting, start + 1))
            low = int(np.searchsorted(times, times[start] - halo_s, "left"))
            high = int(np.searchsorted(times, times[stop - 1] + halo_s, "right"))
            faces = slice(*(int(first_face[i] - first_face[low]) for i in (start, stop)))
            yield Span(
                self._block(low, high, int(first_face[low]), int(first_face[high])),
                slice(start - low, stop - low),
                faces,
                low,
            )
            start = stop

    def close(self) -> None:
        """Give the disk space back."""
        self._frames_file.close()
        self._faces_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _records(self, block: Block) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return a block's frames and faces as records.

        Raises:
            ValueError: as `append`.
        """
        rows = block.faces.row
        stop = self.n_frames + len(block.index)
        found = {name: block.outputs[name].shape[1:] for name in self._outputs if name in block.outputs}
        if found != self._outputs:
            raise ValueError(f"expected outputs of shapes {self._outputs}, found {found}")
        if len(rows) and (rows[0] < self.n_frames or rows[-1] >= stop or (np.diff(rows) < 0).any()):
            raise ValueError(f"expected faces of frames {self.n_frames}…{stop - 1} in order, found others")
        frames = np.empty(len(block.index), _FRAME)
        frames["index"], frames["pts"], frames["time_s"] = block.index, block.pts, block.time_s
        frames["damaged"] = block.damaged
        frames["first_face"] = self.n_faces + np.searchsorted(rows, np.arange(self.n_frames, stop))
        faces = np.empty(len(rows), self._face)
        for column in FACE_FIELDS:
            faces[column.name] = getattr(block.faces, column.field)
        for name in self._outputs:
            faces[_output(name)] = in_dtype(block.outputs[name], self._face[_output(name)].base)
        return frames, faces

    def _block(self, low: int, high: int, first: int, last: int) -> Block:
        """Read frames low…high−1 and faces first…last−1."""
        frames = _read(self._frames_file.fileno(), _FRAME, low, high)
        faces = _read(self._faces_file.fileno(), self._face, first, last)
        return Block(
            index=frames["index"].copy(),
            pts=frames["pts"].copy(),
            time_s=frames["time_s"].copy(),
            damaged=frames["damaged"].copy(),
            faces=Faces(**{column.field: faces[column.name].copy() for column in FACE_FIELDS}),
            outputs={name: faces[_output(name)].copy() for name in self._outputs},
        )

    def _frame_column(self, name: str) -> Any:
        """Return one column of all frames, read in pieces: nothing but the column is held."""
        out = np.empty(self.n_frames, _FRAME[name])
        for start in range(0, self.n_frames, _ROWS_AT_A_TIME):
            stop = min(start + _ROWS_AT_A_TIME, self.n_frames)
            out[start:stop] = _read(self._frames_file.fileno(), _FRAME, start, stop)[name]
        return out


def in_dtype(values: F32, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return values in another floating type, those beyond its range as the nearest number in it."""
    limit = float(np.finfo(dtype).max)
    return np.clip(values, -limit, limit).astype(dtype) if dtype != values.dtype else values


def _output(name: str) -> str:
    """Return the record field of an output; an output may be called like a field of `Faces`."""
    return f"output {name}"


def unnamed_file(folder: Path) -> Any:
    """Return an open temporary file without a name, so that a killed process leaves nothing."""
    return tempfile.TemporaryFile(buffering=0, dir=folder, prefix=".autrt-", suffix=".part")


def _read(fd: int, dtype: np.dtype[Any], start: int, stop: int) -> np.ndarray[Any, Any]:
    """Read records start…stop−1 of a file."""
    out = np.empty(stop - start, dtype)
    view, at = out.view(np.uint8).data, start * dtype.itemsize
    while view:
        n = os.preadv(fd, [view], at)
        if n == 0:
            raise EOFError(f"spool ends at byte {at}")
        view, at = view[n:], at + n
    return out
