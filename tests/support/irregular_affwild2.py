"""A made-up Aff-Wild2 with everything that is irregular in the real one, in the layout of its unpacked archives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autrt.aus import ABAW_AUS
from tests.support.data_sets import HEADER, text

FRAMES = 24
ANNOTATIONS = Path("6th ABAW Annotations", "AU_Detection_Challenge")
BATCH1 = Path("batch1", "cropped_aligned", "cropped_aligned")
BATCH2 = Path("batch2", "cropped_aligned_new_50_vids")
TEST = Path("test", "cropped_aligned")
TRAINING = ("plain", "gaps", "long_text", "many_crops", "reordered", "pair_left", "pair_right", "new")
VALIDATION = ("first", "second", "third")
TESTED = {"film": 30, "short": 12, "single": 5}
"""Video of the test set → its number of frames."""


@dataclass(frozen=True)
class IrregularAffWild2:
    """The data set's root, and the two pictures that training refuses."""

    root: Path

    @property
    def cut_short(self) -> Path:
        """A JPEG of which half is missing."""
        return self.root / BATCH1 / "plain" / "00003.jpg"

    @property
    def other_size(self) -> Path:
        """A picture of 96×96 pixels."""
        return self.root / BATCH1 / "plain" / "00004.jpg"

    def mend(self) -> None:
        """Take the pictures out that training refuses."""
        self.cut_short.unlink()
        self.other_size.unlink()


def write_irregular_affwild2(root: Path) -> IrregularAffWild2:
    """Write it; the AUs are patches of light, each at a place of its own."""
    made = IrregularAffWild2(root)
    labels = {name: _labels(i) for i, name in enumerate((*TRAINING, *VALIDATION, *TESTED, "no_pictures"))}
    for split, names in (("Train_Set", (*TRAINING, "no_pictures")), ("Validation_Set", VALIDATION)):
        for name in names:
            text(root / ANNOTATIONS / split / f"{name}.txt", _label_text(labels[name], name))
            other = root / ANNOTATIONS.parent / "EXPR_Recognition_Challenge" / split / f"{name}.txt"
            text(other, "Neutral,Anger\n" + "0\n" * FRAMES)
    for name in (*TRAINING, *VALIDATION):
        folder = root / (BATCH2 if name == "new" else BATCH1) / name
        _crops(folder, labels[name], [n for n in range(1, FRAMES + 1) if name != "gaps" or n % 5])
    for name, frames in TESTED.items():
        # The last two frames were not cropped, and of one video only a single one was.
        numbers = [3] if name == "single" else range(1, frames - 1)
        _crops(root / TEST / name, _labels(40 + frames, frames), numbers)
    _spoil(made, labels)
    return made


def _spoil(made: IrregularAffWild2, labels: dict[str, np.ndarray]) -> None:
    root = made.root
    batch1 = root / BATCH1
    with (root / ANNOTATIONS / "Train_Set" / "long_text.txt").open("a") as file:
        file.write((",".join("0" * 12) + "\n") * 2)  # rows without pictures at the end
    _crops(batch1 / "many_crops", labels["many_crops"][[0, 1]], [1, 2], shift=FRAMES)  # pictures without rows
    for name in ("Thumbs.db", ".DS_Store", "00002 (1).jpg"):
        (batch1 / "plain" / name).write_bytes(b"foreign")
    _crops(root / BATCH2 / "plain", labels["plain"], range(1, 4))  # a second copy of a video
    made.cut_short.write_bytes(made.cut_short.read_bytes()[:900])
    cv2.imwrite(str(made.other_size), np.zeros((96, 96, 3), np.uint8))
    twin = batch1 / "first" / "00007.jpg"  # a training picture among the validation pictures
    twin.write_bytes((batch1 / "reordered" / "00007.jpg").read_bytes())
    text(root / "__MACOSX" / "cropped_aligned" / "plain" / "._00001.jpg", "")


def _labels(seed: int, frames: int = FRAMES) -> np.ndarray:
    """Return (frames, 12) labels, some of them missing; each AU is active in some."""
    labels = (np.random.default_rng(seed).random((frames, len(ABAW_AUS))) < 0.4).astype(int)
    labels[0], labels[1] = 1, 0
    labels[2, 5] = -1
    return labels


def _label_text(labels: np.ndarray, name: str) -> str:
    names = list(ABAW_AUS)
    if name == "reordered":
        names, labels = names[::-1], labels[:, ::-1]
    rows = [",".join(map(str, row)) for row in labels.tolist()]
    header = HEADER if name != "reordered" else ",".join(names)
    return "\n".join([header, *rows]) + "\n"


def _crops(folder: Path, labels: np.ndarray, numbers, shift: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        rng = np.random.default_rng([number, *folder.name.encode()])
        picture = rng.normal(90, 20, (112, 112, 3))
        for au in np.flatnonzero(labels[number - 1] == 1):
            y, x = 8 + 34 * (au // 4), 4 + 27 * (au % 4)
            picture[y : y + 24, x : x + 20] += 100
        name = folder / f"{number + shift:05d}.jpg"
        cv2.imwrite(str(name), np.clip(picture, 0, 255).astype(np.uint8))
