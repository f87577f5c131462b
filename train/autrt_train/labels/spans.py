"""Codes sampled from spans in which an AU is active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.types import F32, F64
from autrt_train.labels.coding import Coding

CODED: Final = "coded"
"""Name of the tier or behaviour that marks the coded intervals, if they are longer than the spans suggest."""
BORDER_S: Final = 0.05
"""Closer to a span's border the code is unknown; for short spans the outer quarters."""
POINT_S: Final = 0.5
"""The same around a point event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An AU (or `CODED`) from one time to another."""

    au: str
    start_s: float
    stop_s: float
    level: float = np.inf
    """Its code; infinity if no level is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedSpans:
    """Spans of one video, by one coder, of one person."""

    video: str
    au_names: tuple[str, ...]
    """The AUs that were coded; they are absent outside their spans."""
    spans: tuple[Span, ...]
    person: str = ""
    coder: str = ""

    def intervals(self) -> list[tuple[float, float]]:
        """Return the coded intervals in s: the spans of `CODED`, or from the first start to the last stop."""
        marked = [(span.start_s, span.stop_s) for span in self.spans if span.au == CODED]
        if marked or not self.spans:
            return marked
        return [(min(span.start_s for span in self.spans), max(span.stop_s for span in self.spans))]


def sample_codes(file: CodedSpans, every_s: float) -> Coding:
    """Sample codes at moments `every_s` apart within the coded intervals, and in the middle of every span.

    The moments lie on one grid for all coders and persons, so that coders can be compared.
    """
    times = _moments(file, every_s)
    codes = np.zeros((len(times), len(file.au_names)), np.float32)
    for column, au in enumerate(file.au_names):
        codes[:, column] = _codes(times, [span for span in file.spans if span.au == au])
    n = len(times)
    return Coding.of(
        file.au_names,
        codes,
        [file.video] * n,
        time_s=times,
        person=[file.person] * n,
        coder=[file.coder] * n,
    )


def _moments(file: CodedSpans, every_s: float) -> F64:
    intervals = file.intervals()
    grids = [np.arange(np.ceil(a / every_s), np.floor(b / every_s) + 1) * every_s for a, b in intervals]
    middles = [(span.start_s + span.stop_s) / 2 for span in file.spans if span.au != CODED]
    inside = [t for t in middles if any(a <= t <= b for a, b in intervals)]
    return np.unique(np.concatenate([*grids, np.array(inside)]).round(4))


def _codes(times: F64, spans: Sequence[Span]) -> F32:
    """Return (n,) float32, the code at each time; NaN near the borders of spans."""
    out = np.zeros(len(times), np.float32)
    near_border, inside_any = np.zeros(len(times), bool), np.zeros(len(times), bool)
    for span in spans:
        length_s = span.stop_s - span.start_s
        border_s = min(BORDER_S, length_s / 4) if length_s else POINT_S
        inner = border_s if length_s else -1e-3
        near_border |= (times > span.start_s - border_s) & (times < span.stop_s + border_s)
        inside = (times >= span.start_s + inner) & (times <= span.stop_s - inner)
        inside_any |= inside
        out[inside] = span.level
    out[near_border & ~inside_any] = np.nan
    return out
