"""Codes from label files: one row per frame, picture or moment, and coder."""

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


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Coding(ShapedRepr):
    """AU codes by row: N rows, L AUs. Rows with neither frame nor time are of a picture or a first frame."""

    au_names: tuple[str, ...]
    """L names."""
    codes: F32
    """(N, L) float32: 0 absent, higher for stronger presence; NaN unknown."""
    video: Texts
    """(N,) file names as in the labels: path or name, with or without extension."""
    frame: I64
    """(N,) int64 from 0, or `NO_FRAME`."""
    time_s: F64
    """(N,) float64 seconds from the video's start, or NaN; used where there is no frame."""
    person: Texts
    """(N,) names of the person seen; empty if not stated."""
    coder: Texts
    """(N,) names of the coder; empty if not stated."""
    track: I64
    """(N,) int64 track of `autrt infer`, or `NO_TRACK` for the main face."""

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
        """Return a coding with defaults for the columns that are not given."""
        n = len(video)
        return Coding(
            au_names=tuple(au_names),
            codes=codes.astype(np.float32).reshape(n, len(au_names)),
            video=texts(video),
            frame=np.full(n, NO_FRAME, np.int64) if frame is None else frame,
            time_s=np.full(n, np.nan) if time_s is None else time_s,
            person=texts(person or [""] * n),
            coder=texts(coder or [""] * n),
            track=np.full(n, NO_TRACK, np.int64) if track is None else track,
        )

    def take(self, rows: I64 | Bool) -> Coding:
        """Return the given rows."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self)[1:]}
        return Coding(au_names=self.au_names, **columns)

    def with_aus(self, names: Sequence[str]) -> Coding:
        """Return the same rows with these AUs; codes of new ones are NaN."""
        codes = np.full((len(self), len(names)), np.nan, np.float32)
        for column, name in enumerate(names):
            if name in self.au_names:
                codes[:, column] = self.codes[:, self.au_names.index(name)]
        return replace(self, au_names=tuple(names), codes=codes)


def texts(values: Sequence[str]) -> Texts:
    """Return texts as an (N,) array."""
    return np.array(values, dtype=np.str_).reshape(-1)


def concatenate(parts: Sequence[Coding]) -> Coding:
    """Return the rows of one or more codings, with the AUs of all."""
    names = sorted({name for part in parts for name in part.au_names}, key=lambda name: int(name[2:]))
    parts = [part.with_aus(names) for part in parts]
    columns = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Coding)[1:]}
    return Coding(au_names=tuple(names), **columns)


def aus_in(text: str) -> list[str]:
    """Return the AUs that a text of FACS codes begins with: `AU1+2`, `R12B, 6C`, `AU12 lip corner puller`.

    Numbers after a word are ignored: `smile 2` names no AU.
    """
    parts = re.split(r"[\s+,;/&_|-]+", re.sub(r"(?i)\bau\s+(?=\d)", "AU", text.strip()))
    found = [_UNIT.fullmatch(part) for part in parts]
    units = [f"AU{match[1]}" for match in takewhile(bool, found) if match]
    return list(dict.fromkeys(units))


def parse_level(text: str) -> float:
    """Return the code that an annotation stands for: a number, FACS's letters A–E (1–5), `?`, or any other text.

    Returns:
        0 for absent, NaN for "cannot be judged", infinity for present without a stated level.
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
