"""Files of segments as they are before people are split: sections of a video that wait on disk for others."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from autrt.types import Faces, Segment, TrackingState

SEGMENTS_AT_A_TIME: Final = 64

_FACES: Final = ("row", "boxes", "landmarks", "score", "track", "source")
_OUTPUT: Final = "output "


class SegmentWriter:
    """Writes segments one after the other, some at a time.

    Args:
        file: opened for writing; the caller closes it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held: list[Segment] = []

    def append(self, segment: Segment) -> None:
        """Take the next segment, which has its final outputs and its state; may raise OSError."""
        self._held.append(segment)
        if len(self._held) == SEGMENTS_AT_A_TIME:
            self.flush()

    def flush(self) -> None:
        """Write what is held; to be called at the end."""
        if self._held:
            arrays = _arrays_of(self._held)
            for array in (np.array(list(arrays)), *arrays.values()):
                np.lib.format.write_array(self._file, array, allow_pickle=False)
            self._held = []


def read_segments(path: Path) -> Generator[Segment, None, None]:
    """Yield the segments of a file in order.

    Raises:
        OSError, ValueError: it is cut short, or is no such file.
    """
    with path.open("rb") as file:
        while file.peek(1):
            names = np.lib.format.read_array(file, allow_pickle=False).tolist()
            arrays = {name: np.lib.format.read_array(file, allow_pickle=False) for name in names}
            yield from _segments_of(arrays)


def _arrays_of(segments: Sequence[Segment]) -> dict[str, np.ndarray[Any, Any]]:
    states = [segment.state for segment in segments if segment.state is not None]
    assert len(states) == len(segments), "the tracker was asked for them"
    counts = [
        (segment.first_row, len(segment.index), len(segment.faces), len(state.ids), state.next_id)
        for segment, state in zip(segments, states, strict=True)
    ]
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "counts": np.array(counts, np.int64),
        "digests": np.frombuffer(b"".join(state.digest for state in states), np.uint8).reshape(-1, 32),
        "ids": np.concatenate([state.ids for state in states]),
        "index": np.concatenate([segment.index for segment in segments]),
        "pts": np.concatenate([segment.pts for segment in segments]),
        "time_s": np.concatenate([segment.time_s for segment in segments]),
        "damaged": np.concatenate([segment.damaged for segment in segments]),
        "thumbnails": np.stack([picture for segment in segments for picture in segment.thumbnails]),
        "small_faces": np.concatenate([segment.small_faces for segment in segments]),
        "sharpness": np.concatenate([segment.sharpness for segment in segments]),
    }
    for name in _FACES:
        arrays[name] = np.concatenate([getattr(segment.faces, name) for segment in segments])
    for name in segments[0].outputs:
        arrays[_OUTPUT + name] = np.concatenate([segment.outputs[name] for segment in segments])
    return arrays


def _segments_of(arrays: dict[str, np.ndarray[Any, Any]]) -> Generator[Segment, None, None]:
    frame = face = one_id = 0
    outputs = [name for name in arrays if name.startswith(_OUTPUT)]
    for (first_row, n_frames, n_faces, n_ids, next_id), digest in zip(
        arrays["counts"].tolist(), arrays["digests"], strict=True
    ):
        frames, faces = slice(frame, frame + n_frames), slice(face, face + n_faces)
        ids = arrays["ids"][one_id : one_id + n_ids]
        yield Segment(
            first_row=first_row,
            index=arrays["index"][frames],
            pts=arrays["pts"][frames],
            time_s=arrays["time_s"][frames],
            damaged=arrays["damaged"][frames],
            images=[],
            faces=Faces(**{name: arrays[name][faces] for name in _FACES}),
            thumbnails=list(arrays["thumbnails"][frames]),
            small_faces=arrays["small_faces"][faces],
            sharpness=arrays["sharpness"][faces],
            outputs={name.removeprefix(_OUTPUT): arrays[name][faces] for name in outputs},
            state=TrackingState(digest.tobytes(), ids, next_id),
        )
        frame, face, one_id = frames.stop, faces.stop, one_id + n_ids
