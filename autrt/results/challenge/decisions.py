"""A decision for every frame that the challenge asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.errors import UsageError
from autrt.postprocess.main_face import main_faces
from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import I64, U8, ShapedRepr, check_array


@dataclass(frozen=True, slots=True, repr=False)
class SeenFrames(ShapedRepr):
    """What the results say of one video: the frames with a face, and the decisions for their main face."""

    number: I64
    """(V,) int64 rising, from 1."""
    active: U8
    """(V, 12) uint8 0 or 1, in the order of `ABAW_AUS`."""
    last: int
    """Number of the video's last frame; 0 where it has none."""
    losses: int
    """Places where something of the video could not be decoded: frames behind them count too low."""

    def __post_init__(self) -> None:
        check_array(self, "number", self.number, np.int64, (None,))
        check_array(self, "active", self.active, np.uint8, (len(self.number), len(ABAW_AUS)))

    @classmethod
    def of(cls, results: Results) -> SeenFrames:
        """Read a results file.

        Raises:
            UsageError: an AU of the challenge is not in it.
            ResultsError: it is damaged.
        """
        if lacking := [au for au in ABAW_AUS if au not in results.au_names]:
            raise UsageError(
                f"{escape(str(results.path))}: expected the challenge's 12 AUs, found none called {lacking[0]}: "
                "infer with a model that has them all"
            )
        columns = [results.au_names.index(au) for au in ABAW_AUS]
        row: I64 = results.faces["frame"]
        main = main_faces(row, results.faces["track"], results.faces["box"])
        number: I64 = results.frames["index"] + 1
        active = results.faces["active"][main][:, columns].astype(np.uint8)
        return cls(number[row[main]], active, int(number[-1]) if len(number) else 0, len(results.lost))


@dataclass(frozen=True, slots=True, repr=False)
class Decided(ShapedRepr):
    """Decisions for wanted frames, and where they come from."""

    active: U8
    """(W, 12) uint8 0 or 1."""
    held: int
    """Frames without a face, for which the previous frame with one stands in."""
    beyond: int
    """Of these, frames behind the last one in the results."""
    before: int
    """Frames before the first face: no AU is active."""

    @classmethod
    def of(cls, seen: SeenFrames, wanted: I64) -> Decided:
        """The decisions for the frames `wanted`, (W,) int64 numbers from 1, in any order."""
        at = np.searchsorted(seen.number, wanted, "right") - 1
        known = at >= 0
        active = np.zeros((len(wanted), len(ABAW_AUS)), np.uint8)
        active[known] = seen.active[at[known]]
        held = int((seen.number[at[known]] != wanted[known]).sum())
        return cls(active, held, int((wanted[known] > seen.last).sum()), int((~known).sum()))
