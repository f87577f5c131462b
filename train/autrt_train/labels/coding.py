"""What every label file becomes: codes of moments, one row a frame, picture or moment and coder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, F64, I64, Bool, ShapedRepr, check_array

Texts = NDArray[np.str_]

NO_FRAME: Final = -1
NO_TRACK: Final = -1

_UNIT: Final = re.compile(r"(?:au)?[lrutb]?0*([1-9][0-9]?)[lr]?[a-e]?", re.IGNORECASE | re.ASCII)
_LETTERS: Final = {letter: float(level) for level, letter in enumerate("abcde", 1)}


@dataclass(frozen=True, slots=True, repr=False)
class Coding(ShapedRepr):
    """Codes by row. Rows with neither frame nor time are of a picture (or of a video's first frame)."""

    au_names: tuple[str, ...]
    """(L,)"""
    codes: F32
    """(N, L) float32: 0 absent, higher the clearer; NaN where nobody can say."""
    video: Texts
    """(N,) the file as the labels name it: a path, a name, with or without its extension."""
    frame: I64
    """(N,) int64 from 0, or `NO_FRAME`."""
    time_s: F64
    """(N,) float64 seconds from the video's start, or NaN; looked at where there is no frame."""
    person: Texts
    """(N,) who is seen; empty where the labels do not say."""
    coder: Texts
    """(N,) who coded; empty where the labels do not say."""
    track: I64
    """(N,) int64 track of `autrt infer`, or `NO_TRACK`: the main face."""

    def __post_init__(self) -> None:
        n = len(self.video)
        check_array(self, "codes", self.codes, np.float32, (n, len(self.au_names)))
        check_array(self, "frame", self.frame, np.int64, (n,))
        check_array(self, "time_s", self.time_s, np.float64, (n,))
        check_array(self, "track", self.track, np.int64, (n,))

    def __len__(self) -> int:
        return len(self.video)

    @staticmethod
    def of(
        au_names: Sequence[str],
        codes: F32,
        video: Sequence[str],
        *,
        frame: I64 | None = None,
        time_s: F64 | None = None,
        person: Sequence[str] | None = None,
        coder: Sequence[str] | None = None,
        track: I64 | None = None,
    ) -> Coding:
        """A coding of which some columns are not known."""
        n = len(video)
        return Coding(
            tuple(au_names),
            codes.astype(np.float32).reshape(n, len(au_names)),
            texts(video),
            np.full(n, NO_FRAME, np.int64) if frame is None else frame,
            np.full(n, np.nan) if time_s is None else time_s,
            texts(person or [""] * n),
            texts(coder or [""] * n),
            np.full(n, NO_TRACK, np.int64) if track is None else track,
        )

    def take(self, rows: I64 | Bool) -> Coding:
        """Some rows."""
        return Coding(self.au_names, *(getattr(self, f.name)[rows] for f in fields(self)[1:]))

    def with_aus(self, names: Sequence[str]) -> Coding:
        """The same rows with these AUs; one that is not there is not known."""
        codes = np.full((len(self), len(names)), np.nan, np.float32)
        for column, name in enumerate(names):
            if name in self.au_names:
                codes[:, column] = self.codes[:, self.au_names.index(name)]
        return replace(self, au_names=tuple(names), codes=codes)


def texts(values: Sequence[str]) -> Texts:
    """(N,) array of texts."""
    return np.array(values, dtype=np.str_).reshape(-1)


def concatenated(parts: Sequence[Coding]) -> Coding:
    """All rows of some codings, at least one, with the AUs of any."""
    names = sorted({name for part in parts for name in part.au_names}, key=lambda name: int(name[2:]))
    parts = [part.with_aus(names) for part in parts]
    columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Coding)[1:]]
    return Coding(tuple(names), *columns)


def units_in(text: str) -> list[str]:
    """The AUs that a text of FACS codes begins with: `AU1+2`, `R12B, 6C`, `AU12 lip corner puller`.

    What stands after a word is passed over: `smile 2` names none.
    """
    parts = re.split(r"[\s+,;/&_|-]+", re.sub(r"(?i)\bau\s+(?=\d)", "AU", text.strip()))
    found = [_UNIT.fullmatch(part) for part in parts]
    units = [f"AU{match[1]}" for match in takewhile(bool, found) if match]
    return list(dict.fromkeys(units))


def level_of(text: str) -> float:
    """The code that an annotation's text means: a number, FACS's letters A–E (1–5), `?`; any other text is present.

    Returns:
        0 for absent, NaN for "cannot be judged", infinity for present at a level that nobody states.
    """
    plain = text.strip().lower()
    if plain in ("?", "-1", "unknown", "n/a", "na"):
        return np.nan
    if plain in ("absent", "no", "off", "none"):
        return 0.0
    if plain in _LETTERS:
        return _LETTERS[plain]
    try:
        return max(0.0, float(plain))
    except ValueError:
        return np.inf
