"""The truth of rendered films (`autrt synth --videos`): who is where in which frame, and which AUs are active."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.results.reader import Results
from autrt.storage.escape import escape
from autrt.types import F32, I32
from autrt_train.annotations.pictures import require_folder
from autrt_train.evaluate.truth import Matched, Truth, VideoTruth
from autrt_train.types import I8, MISSING, DataError, Split

FARTHEST: Final = 0.5
"""Mean distance of the landmarks, in the person's eye distances, up to which a found face is that person's."""


@dataclass(frozen=True, slots=True)
class FilmTruth:
    """A rendered film: N frames, P people of its cast, L AUs."""

    person: I32
    """(N, P) int32, `MISSING` where somebody is not in the picture."""
    landmarks: F32
    """(N, P, 5, 2) float32 pixels of the frame."""
    labels: I8
    """(N, P, L) int8."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Nobody is in two films."""
        return ()

    def match(self, results: Results) -> Matched:
        """The nearest person of each face, and of those with one person the nearest face."""
        index = results.frames["index"][results.faces["frame"]]
        row = np.minimum(index, len(self.person) - 1)
        far = self._distances(row, results.faces["landmarks"])
        far[index != row] = np.inf
        who = far.argmin(axis=1)
        shift = far[np.arange(len(who)), who]
        cell = row * self.person.shape[1] + who
        order = np.lexsort((shift, cell))
        first = np.ones(len(order), bool)
        first[1:] = np.diff(cell[order]) != 0
        nearest = np.zeros(len(order), bool)
        nearest[order[first]] = True
        found = nearest & (shift <= FARTHEST)
        labels = np.where(found[:, None], self.labels[row, who], MISSING).astype(np.int8)
        face = np.where(found, self.person[row, who], MISSING).astype(np.int32)
        return Matched(labels, face, int((self.person != MISSING).sum() - found.sum()))

    def _distances(self, row: np.ndarray, landmarks: F32) -> np.ndarray:
        """(F, P) mean distance of a face's landmarks from each person's; infinite where somebody is absent."""
        theirs = self.landmarks[row]
        eyes = np.linalg.norm(theirs[:, :, 1] - theirs[:, :, 0], axis=-1)
        far = np.linalg.norm(theirs - landmarks[:, None], axis=-1).mean(axis=-1) / np.maximum(eyes, 1)
        return np.where(self.person[row] == MISSING, np.inf, far)


def rendered(root: Path, split: Split | None = None) -> Truth:
    """The films in a rendered set's `videos`.

    Raises:
        DataError: there are none, or the truth of one is damaged.
    """
    if split is not None:
        raise DataError("rendered films have no split: nobody in them is in a still; leave `split` out")
    folder = require_folder(root, "a rendered set (`autrt synth`)") / "videos"
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(
            f"{escape(str(folder))}: expected films with their truth (`autrt synth --videos N`), found none"
        )
    names, videos = (), dict[str, VideoTruth]()
    for file in files:
        facts = _facts(file)
        names = tuple(facts["au_names"].tolist())
        videos[file.with_suffix(".mp4").name] = FilmTruth(
            facts["person"].astype(np.int32),
            facts["landmarks"].astype(np.float32),
            facts["label"].astype(np.int8),
        )
    return Truth(names, videos)


def _facts(file: Path) -> dict[str, Any]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("person", "landmarks", "label", "au_names")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{escape(str(file))}: expected the truth of a rendered film: {error}: render it anew"
        ) from error
