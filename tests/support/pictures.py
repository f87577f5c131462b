"""A tiny data set whose Action Units are patches of light: learnable in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

AUS = ("AU1", "AU12", "AU25")

TINY_RECIPE = """
about = "a test"
au_names = ["AU1", "AU12", "AU25"]
seed = 5

[network]
preset = "student-16"
change = { width = 4, squeeze = 8 }

[data]
train = [{ kind = "manifest", root = "MANIFEST" }]
validation_share = 0.25
"""
"""The first tables of a recipe for these pictures; the manifest's place is still to be filled in."""


def write_pictures(folder: Path, count: int = 96, seed: int = 0, people: int = 8) -> Path:
    """Grey, noisy PNGs; AU k is a bright block at a place of its own. Returns the manifest's path.

    Columns: path, video, person, frame, expression (how many AUs are active) and the AUs; a few labels are missing.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,video,person,frame," + ",".join(AUS)]
    for i in range(count):
        active = rng.random(len(AUS)) < 0.4
        picture = rng.normal(90, 25, (112, 112, 3))
        for k in np.nonzero(active)[0]:
            picture[20 + 30 * k : 40 + 30 * k, 46:66] += 100
        name = f"{i:05d}.png"
        cv2.imwrite(str(folder / name), np.clip(picture, 0, 255).astype(np.uint8))
        labels = ["-1" if rng.random() < 0.05 else str(int(a)) for a in active]
        lines.append(f"{name},v{i % people},p{i % people},{i // people + 1}," + ",".join(labels))
    manifest = folder / "labels.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def write_classes(folder: Path, classes: int = 3, each: int = 12, seed: int = 0) -> Path:
    """One folder per class (an expression, or a person), whose pictures have a block of light at its own place."""
    rng = np.random.default_rng(seed)
    for k in range(classes):
        (folder / f"class{k}").mkdir(parents=True)
        for i in range(each):
            picture = rng.normal(90, 25, (112, 112, 3))
            picture[10 + 14 * k : 30 + 14 * k, 40:70] += 100
            cv2.imwrite(str(folder / f"class{k}" / f"{i:03d}.png"), np.clip(picture, 0, 255).astype(np.uint8))
    return folder
