"""The raw rows of one video on disk while it is processed, so that memory stays flat for hours of video."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from autrt.storage.disk import make_folder, write_all, writing
from autrt.types import F64, I64, Block, Faces

_FRAME = np.dtype([("index", "i8"), ("pts", "i8"), ("time_s", "f8"), ("first_face", "i8")])
_COLUMN_ROWS = 1 << 16


class Span(NamedTuple):
    """A stretch of a video with some of its surroundings."""

    block: Block
    """The stretch and what lies within the halo before and after it."""
    frames: slice
    """The stretch's own frames in `block`."""
    faces: slice
    """The stretch's own faces in `block`."""
    first_row: int
    """Row of the block's first frame in the video's frame table: what `faces.row` counts from."""

    @property
    def inner(self) -> Block:
        """The stretch alone."""
        block = self.block
        return Block(
            block.index[self.frames],
            block.pts[self.frames],
            block.time_s[self.frames],
            block.faces[self.faces],
            block.member_logits[self.faces],
        )


class Spool:
    """Takes a video's blocks in order and gives them back, as often as wanted, in even pieces with a halo.

    Rows lie in unnamed temporary files, so a killed process leaves nothing. What `blocks` gives depends on the
    rows alone, not on the blocks they came in. One thread at a time.

    Args:
        folder: where to put the files; made if need be.
        n_members: M of the blocks' member logits.
        n_aus: A of the blocks' member logits.

    Raises:
        DiskFullError: no room (`append` too).
        ResultsError: the folder cannot be written.
    """

    def __init__(self, folder: Path, n_members: int, n_aus: int) -> None:
        self._folder = folder
        self._face = np.dtype(
            [("row", "i8"), ("track", "i4"), ("source", "u1"), ("score", "f4"), ("box", "f4", (4,)),
             ("landmarks", "f4", (5, 2)), ("logit", "f4", (n_members, n_aus))]
        )  # fmt: skip
        self.n_frames = 0
        self.n_faces = 0
        with writing(folder):
            make_folder(folder)
            self._frames_file, self._faces_file = _unnamed(folder), _unnamed(folder)

    def append(self, block: Block) -> None:
        """Take the next frames.

        Raises:
            DiskFullError: no room.
            ValueError: faces of other frames, or other members or AUs than announced.
        """
        frames, faces = self._records(block)
        with writing(self._folder):
            write_all(self._faces_file.fileno(), faces.view(np.uint8).data)
            write_all(self._frames_file.fileno(), frames.view(np.uint8).data)
        self.n_frames += len(frames)
        self.n_faces += len(faces)

    def times(self) -> F64:
        """(N,) float64 seconds: the times of all frames so far."""
        return self._column("time_s")

    def blocks(
        self, frames_per_block: int = 4096, halo_s: float = 0.0, faces_per_block: int = 1 << 16
    ) -> Iterator[Span]:
        """The video in pieces, each with the frames and faces up to `halo_s` before and after it.

        Args:
            frames_per_block: frames of a piece.
            halo_s: seconds, inclusive.
            faces_per_block: a piece ends before it holds more faces (one frame may), so that crowds stay flat
                in memory too.
        """
        times = self.times()
        first_face = np.append(self._column("first_face"), self.n_faces)
        start = 0
        while start < self.n_frames:
            fitting = int(np.searchsorted(first_face, first_face[start] + faces_per_block, "right")) - 1
            stop = min(start + frames_per_block, self.n_frames, max(fitting, start + 1))
            low = int(np.searchsorted(times, times[start] - halo_s, "left"))
            high = int(np.searchsorted(times, times[stop - 1] + halo_s, "right"))
            faces = slice(*(int(first_face[i] - first_face[low]) for i in (start, stop)))
            yield Span(
                self._block(low, high, first_face[low], first_face[high]),
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
        rows = block.faces.row
        stop = self.n_frames + len(block.index)
        if block.member_logits.shape[1:] != self._face["logit"].shape:
            raise ValueError(
                f"expected logits of {self._face['logit'].shape}, found {block.member_logits.shape[1:]}"
            )
        if len(rows) and (rows[0] < self.n_frames or rows[-1] >= stop or (np.diff(rows) < 0).any()):
            raise ValueError(f"expected faces of frames {self.n_frames}…{stop - 1} in order, found others")
        frames = np.empty(len(block.index), _FRAME)
        frames["index"], frames["pts"], frames["time_s"] = block.index, block.pts, block.time_s
        frames["first_face"] = self.n_faces + np.searchsorted(rows, np.arange(self.n_frames, stop))
        faces = np.empty(len(rows), self._face)
        faces["row"], faces["track"], faces["source"] = rows, block.faces.track, block.faces.source
        faces["score"], faces["box"], faces["landmarks"] = (
            block.faces.score,
            block.faces.boxes,
            block.faces.landmarks,
        )
        faces["logit"] = block.member_logits
        return frames, faces

    def _block(self, low: int, high: int, first: int, last: int) -> Block:
        frames = _read(self._frames_file.fileno(), _FRAME, low, high)
        faces = _read(self._faces_file.fileno(), self._face, int(first), int(last))
        columns = [faces[name].copy() for name in ("row", "box", "landmarks", "score", "track", "source")]
        return Block(
            frames["index"].copy(),
            frames["pts"].copy(),
            frames["time_s"].copy(),
            Faces(*columns),
            faces["logit"].copy(),
        )

    def _column(self, name: str) -> Any:
        """One column of all frames, read in pieces: nothing but the column is held."""
        out: F64 | I64 = np.empty(self.n_frames, _FRAME[name])
        for start in range(0, self.n_frames, _COLUMN_ROWS):
            stop = min(start + _COLUMN_ROWS, self.n_frames)
            out[start:stop] = _read(self._frames_file.fileno(), _FRAME, start, stop)[name]
        return out


def _unnamed(folder: Path) -> Any:
    return tempfile.TemporaryFile(buffering=0, dir=folder, prefix=".autrt-", suffix=".part")


def _read(fd: int, dtype: np.dtype[Any], start: int, stop: int) -> np.ndarray[Any, Any]:
    """Records start…stop−1 of a file."""
    out = np.empty(stop - start, dtype)
    view, at = out.view(np.uint8).data, start * dtype.itemsize
    while view:
        n = os.preadv(fd, [view], at)
        if n == 0:
            raise EOFError(f"spool ends at byte {at}")
        view, at = view[n:], at + n
    return out
