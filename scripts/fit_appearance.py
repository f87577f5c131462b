"""Fit the projections of `autrt/face/appearance.npz` to rendered people.

    autrt synth faces/ --rig ICT-FaceKit --people 500 --per-person 6 --seed 192
    fit_appearance.py faces/ --out appearance.npz

Each part of the face has a linear discriminant analysis of its own, over the training people of one or more
folders of `autrt synth`. What it is worth is told by their validation people: how often two pictures of one
person are more alike than two of different people (the area under the curve), and which share of the pairs of
one person is found where one pair of different people in a thousand is mistaken. The packaged projections are
told beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from autrt.face.appearance import DIMENSIONS, PART_CELLS, appearance, histograms, small_faces
from autrt.types import CROP_SIZE_PX, F32, U8, Bool

FALSE_SHARE: Final = 1e-3


class People(NamedTuple):
    """Pictures of people."""

    small: U8
    """(N, 28, 28) uint8; see `small_faces`."""
    person: Any
    """(N,) ints."""


def read_people(folders: list[Path], split: int) -> People:
    """Read the well-placed faces of a split (0 training, 1 validation) of some folders of `autrt synth`."""
    parts: list[U8] = []
    people: list[Any] = []
    for number, folder in enumerate(folders):
        labels = np.load(folder / "labels.npz")
        rows = np.nonzero((labels["split"] == split) & (labels["presence"] == 1))[0]
        pictures = [cv2.imread(str(folder / name.decode())) for name in labels["path"][rows]]
        parts.append(small_faces(np.stack([sparse(picture) for picture in pictures])))
        people.append(labels["person"][rows] + number * 1_000_000)
    return People(np.concatenate(parts), np.concatenate(people))


def sparse(picture: Any) -> U8:
    """Return every second pixel's green of the crop within a picture."""
    margin = (len(picture) - CROP_SIZE_PX) // 2
    return picture[margin : margin + CROP_SIZE_PX : 2, margin : margin + CROP_SIZE_PX : 2, 1]


def fit(people: People) -> dict[str, Any]:
    """Return the arrays of `appearance.npz`."""
    cells = histograms(people.small).reshape(len(people.small), 8, -1)
    means, bases = [], []
    for part in PART_CELLS:
        x = cells[:, :, part].transpose(0, 2, 1).reshape(len(cells), -1)
        analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=DIMENSIONS)
        analysis.fit(x, people.person)
        means.append(x.mean(0))
        bases.append(analysis.scalings_[:, :DIMENSIONS])
    return {"mean": np.stack(means).astype(np.float16), "basis": np.stack(bases).astype(np.float16)}


def projected(people: People, arrays: dict[str, Any]) -> F32:
    """Return the (N, 4, 32) appearances by other projections than the packaged ones."""
    cells = histograms(people.small).reshape(len(people.small), 8, -1)
    parts = [
        (cells[:, :, part].transpose(0, 2, 1).reshape(len(cells), -1) - mean) @ basis.astype(np.float32)
        for part, mean, basis in zip(PART_CELLS, arrays["mean"], arrays["basis"], strict=True)
    ]
    stacked = np.stack(parts, axis=1)
    return (stacked / np.linalg.norm(stacked, axis=2, keepdims=True)).astype(np.float32)


def told(vectors: F32, person: Any) -> str:
    """Return what appearances are worth, as text."""
    likeness = np.einsum("ipd,jpd->ij", vectors, vectors) / vectors.shape[1]
    pairs = np.triu_indices(len(person), 1)
    value, same = likeness[pairs], (person[:, None] == person[None])[pairs]
    return f"area {roc_auc_score(same, value):.3f}, found {found_share(value, same):.1%}"


def found_share(value: F32, same: Bool) -> float:
    """Return the share of the same people's pairs above all but `FALSE_SHARE` of the others'."""
    return float((value[same] > np.quantile(value[~same], 1 - FALSE_SHARE)).mean())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", help="that `autrt synth` wrote")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    training, held_out = (read_people(given.folders, split) for split in (0, 1))
    arrays = fit(training)
    np.savez_compressed(given.out, **arrays)
    print(f"{len(np.unique(training.person))} people; {len(np.unique(held_out.person))} others:")
    print("fitted   ", told(projected(held_out, arrays), held_out.person))
    print("packaged ", told(appearance(held_out.small), held_out.person))


if __name__ == "__main__":
    main()
