"""AU decisions for every frame of a challenge submission."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.errors import UsageError
from autrt.postprocess.main_face import main_faces
from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import FOLDERS, I64, U8, ShapedRepr, check_array


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class FaceFrames(ShapedRepr):
    """Frames of one results file that have a face, and the decisions for their main face."""

    number: I64
    """(V,) int64, increasing; frames count from 1."""
    active: U8
    """(V, 12) uint8, 0 or 1, in the order of `ABAW_AUS`."""
    last: int
    """Number of the video's last frame; 0 if it has none."""
    losses: int
    """Places where part of the video could not be decoded; frames after the first may be numbered too low."""
    complete: bool
    """True if the results hold every frame of a video; False for pictures, whose last ones may be missing."""

    def __post_init__(self) -> None:
        check_array(self, "number", self.number, np.int64, (None,))
        check_array(self, "active", self.active, np.uint8, (len(self.number), len(ABAW_AUS)))

    @classmethod
    def from_results(cls, results: Results) -> FaceFrames:
        """Read a results file.

        Raises:
            UsageError: an AU of the challenge is not in the results.
            ResultsError: the file is damaged.
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
        return cls(
            number=number[row[main]],
            active=active,
            last=int(number[-1]) if len(number) else 0,
            losses=len(results.lost),
            complete=results.header.source.kind not in FOLDERS and not len(results.lost),
        )


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class FrameDecisions(ShapedRepr):
    """Decisions for the frames of a submission, and how many of them were filled in."""

    active: U8
    """(W,) rows of 12 uint8, 0 or 1, in the order of `ABAW_AUS`."""
    filled: int
    """Frames without a face, which take the decisions of the last frame with one."""
    after_last: int
    """Those of them that lie after the last frame of the results."""
    before_first: int
    """Frames before the first face, in which no AU is active."""
    unasked: int
    """Frames of the results behind the last one that is wanted."""

    @classmethod
    def for_frames(cls, faces: FaceFrames, wanted: I64) -> FrameDecisions:
        """Return the decisions for the frames `wanted`: (W,) int64 numbers from 1, in any order."""
        at = np.searchsorted(faces.number, wanted, "right") - 1
        known = at >= 0
        active = np.zeros((len(wanted), len(ABAW_AUS)), np.uint8)
        active[known] = faces.active[at[known]]
        filled = int((faces.number[at[known]] != wanted[known]).sum())
        return cls(
            active=active,
            filled=filled,
            after_last=int((wanted[known] > faces.last).sum()),
            before_first=int((~known).sum()),
            unasked=max(0, faces.last - int(wanted.max(initial=0))),
        )
