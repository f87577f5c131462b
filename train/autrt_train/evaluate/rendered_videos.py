"""Ground truth of rendered videos (`autrt synth --videos`): people, their landmarks and AUs in each frame."""

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
from autrt_train.evaluate.ground_truth import GroundTruth, MatchedLabels, VideoLabels
from autrt_train.types import I8, MISSING, DataError, Split

FARTHEST: Final = 0.5
"""Largest mean distance of the landmarks, in eye distances, at which a detected face is matched with a person."""


@dataclass(frozen=True, slots=True)
class RenderedVideoLabels:
    """Labels of one rendered video: N frames, P people, L AUs."""

    person: I32
    """(N, P) int32 id, `MISSING` where a person is not in the picture."""
    landmarks: F32
    """(N, P, 5, 2) float32 frame pixels."""
    labels: I8
    """(N, P, L) int8."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Empty: every rendered person is in one video only."""
        return ()

    def match(self, results: Results) -> MatchedLabels:
        """Match each face with the nearest person, and each person with the nearest of these faces."""
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
        return MatchedLabels(labels, face, int((self.person != MISSING).sum() - found.sum()))

    def _distances(self, row: np.ndarray, landmarks: F32) -> np.ndarray:
        """Return (F, P) mean distances between landmarks of faces and persons; infinite for absent persons."""
        theirs = self.landmarks[row]
        eyes = np.linalg.norm(theirs[:, :, 1] - theirs[:, :, 0], axis=-1)
        far = np.linalg.norm(theirs - landmarks[:, None], axis=-1).mean(axis=-1) / np.maximum(eyes, 1)
        return np.where(self.person[row] == MISSING, np.inf, far)


def rendered(root: Path, split: Split | None = None) -> GroundTruth:
    """Read the videos in a rendered set's folder `videos`.

    Raises:
        DataError: there are none, or the ground truth of one is damaged.
    """
    if split is not None:
        raise DataError("rendered videos have no split, as their people are in no picture: leave `split` out")
    folder = require_folder(root, "a rendered set (`autrt synth`)") / "videos"
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(
            f"{escape(str(folder))}: expected videos with their ground truth (`autrt synth --videos N`), found none"
        )
    names, videos = (), dict[str, VideoLabels]()
    for file in files:
        facts = _facts(file)
        names = tuple(facts["au_names"].tolist())
        videos[file.with_suffix(".mp4").name] = RenderedVideoLabels(
            facts["person"].astype(np.int32),
            facts["landmarks"].astype(np.float32),
            facts["label"].astype(np.int8),
        )
    return GroundTruth(names, videos)


def _facts(file: Path) -> dict[str, Any]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("person", "landmarks", "label", "au_names")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{escape(str(file))}: expected the ground truth of a rendered video: {error}: render it anew"
        ) from error
