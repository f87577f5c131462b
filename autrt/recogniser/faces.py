"""The faces of one frame with their Action Units, as `autrt.recognise` and `autrt.Recogniser` return them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from autrt.errors import MissingDependencyError
from autrt.types import F32, I32, I64, U8, Bool

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RecognisedFace:
    """One face of a frame; letter A: Action Units. `face["AU12"]` is the smoothed probability of one of them."""

    au_names: tuple[str, ...]
    """Names of the A Action Units, in the order of the arrays."""
    box: F32
    """(4,) float32 x0, y0, x1, y1 in pixels of the upright frame."""
    landmarks: F32
    """(5, 2) float32 pixels: left and right eye, nose tip, left and right mouth corner, as seen in the picture."""
    score: float
    """Detection score, 0 to 1."""
    track: int
    """Number of the face through the frames of a video or stream, from 0."""
    source: int
    """0 detected, 1 interpolated or carried over, 2 moved or detected again."""
    logit: F32
    """(A,) float32."""
    probability: F32
    """(A,) float32, the logit's sigmoid: this frame alone."""
    smoothed: F32
    """(A,) float32 probability, smoothed over time."""
    active: Bool
    """(A,) bool: `smoothed` reaches the model's threshold."""

    def __getitem__(self, au: str) -> float:
        return float(self.smoothed[_au_index(self.au_names, au)])

    @property
    def active_aus(self) -> tuple[str, ...]:
        """Names of the Action Units that are active."""
        return tuple(name for name, active in zip(self.au_names, self.active.tolist(), strict=True) if active)

    def __repr__(self) -> str:
        x0, y0, x1, y1 = (round(float(v)) for v in self.box)
        active = " ".join(self.active_aus) or "no AU"
        return f"<RecognisedFace track {self.track}, box {x0},{y0} to {x1},{y1}: {active} active>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RecognisedFaces:
    """The F faces of one frame, ordered by track; letter A: Action Units.

    `len` counts them, an index or a loop gives `RecognisedFace`s, a slice or a mask gives `RecognisedFaces`, and
    `faces["AU12"]` is the (F,) float32 array of the smoothed probabilities of one Action Unit.
    """

    au_names: tuple[str, ...]
    """Names of the A Action Units, in the order of the arrays' last axis."""
    box: F32
    """(F, 4) float32 x0, y0, x1, y1 in pixels of the upright frame."""
    landmarks: F32
    """(F, 5, 2) float32 pixels: left and right eye, nose tip, left and right mouth corner, as seen in the
    picture."""
    score: F32
    """(F,) float32 detection score, 0 to 1."""
    track: I32
    """(F,) int32 number of the face through the frames of a video or stream, from 0."""
    source: U8
    """(F,) uint8: 0 detected, 1 interpolated or carried over, 2 moved or detected again."""
    logit: F32
    """(F, A) float32."""
    probability: F32
    """(F, A) float32, the logit's sigmoid: this frame alone."""
    smoothed: F32
    """(F, A) float32 probabilities, smoothed over time."""
    active: Bool
    """(F, A) bool: `smoothed` reaches the model's threshold."""

    def __len__(self) -> int:
        return len(self.track)

    def __iter__(self) -> Iterator[RecognisedFace]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> RecognisedFace: ...

    @overload
    def __getitem__(self, key: str) -> F32: ...

    @overload
    def __getitem__(self, key: slice | Sequence[int] | I64 | Bool) -> RecognisedFaces: ...

    def __getitem__(self, key: Any) -> RecognisedFace | RecognisedFaces | F32:
        if isinstance(key, str):
            return self.smoothed[:, _au_index(self.au_names, key)]
        if isinstance(key, slice | list | np.ndarray):
            rows: Any = np.arange(len(self))[key]
        elif isinstance(key, int | np.integer):
            rows = int(key)
        else:
            raise TypeError(
                f"faces: expected an index, a slice, a mask or the name of an Action Unit, found {key!r}"
            )
        values: dict[str, Any] = {name: getattr(self, name)[rows] for name in _COLUMNS}
        if isinstance(rows, np.ndarray):
            return RecognisedFaces(au_names=self.au_names, **values)
        values |= {name: values[name].item() for name in ("score", "track", "source")}
        return RecognisedFace(au_names=self.au_names, **values)

    def to_dataframe(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Return a row for each face: track, and columns named as in `Results.to_dataframe`.

        Args:
            columns: some of score, box, landmarks, source, logit, probability, smoothed and active, or of their
                columns such as AU12_smoothed; one may be given as text; all if left out.

        Raises:
            MissingDependencyError: pandas is not installed.
            UsageError: there is no such column.
        """
        return _dataframes().faces_dataframe(self, columns)

    def __repr__(self) -> str:
        tracks = ", ".join(map(str, self.track.tolist()))
        faces = "no face" if not len(self) else f"{len(self)} face{'s' if len(self) > 1 else ''}"
        of = f" of track{'s' if len(self) > 1 else ''} {tracks}" if len(self) else ""
        return f"<RecognisedFaces: {faces}{of}, {len(self.au_names)} AUs>"


def _au_index(au_names: tuple[str, ...], au: str) -> int:
    if au not in au_names:
        raise KeyError(f"no Action Unit {au!r}: expected one of {', '.join(au_names)}")
    return au_names.index(au)


_COLUMNS = tuple(field.name for field in fields(RecognisedFaces) if field.name != "au_names")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RecognisedFrame:
    """One frame of a video or stream, with its faces."""

    index: int
    """Number of the frame, from 0 in order of presentation (image folders: file number − 1)."""
    pts: int
    """Presentation time in ticks of the video's time base; microseconds in a stream."""
    time_s: float
    """Presentation time in seconds from the video's start; in a stream the time that was given."""
    faces: RecognisedFaces
    damaged: bool = False
    """The picture may be wrong, as the video is damaged there."""

    def to_dataframe(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Return a row for each face: frame, time_s, track, and columns as in `RecognisedFaces.to_dataframe`.

        Raises:
            MissingDependencyError: pandas is not installed.
            UsageError: there is no such column.
        """
        return _dataframes().frame_dataframe(self, columns)

    def __repr__(self) -> str:
        return f"<RecognisedFrame {self.index} at {self.time_s:.3f} s: {self.faces!r}>"


def _dataframes() -> Any:
    try:
        return import_module("autrt.recogniser.dataframes")
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise MissingDependencyError(
            "a data frame needs the package pandas, which is not installed: pip install 'autrt[tables]'"
        ) from error
