"""Made-up coded pictures: rendered faces (the packaged model's reference crops), lit where an AU is coded."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from autrt.engine.parity import read_reference
from autrt.model.folder import load_model

CORNER_PX = 60
SIDE_PX = 232


def write_coded_faces(folder: Path, faces: range, coders: Sequence[str] = ("",)) -> Path:
    """Write a picture for each of some of the 64 reference faces, and a table `coded.csv` that is returned.

    Columns: file, source (every third is `muxspace`), original, and AU4 and AU12 with each coder's ending.
    """
    crops, _ = read_reference(load_model().members[0])
    folder.mkdir(parents=True)
    rows = list[dict[str, str | int]]()
    for number in faces:
        smiles, frowns = number % 2, number // 2 % 2
        picture = np.full((SIDE_PX, SIDE_PX, 3), 100, np.uint8)
        inside = slice(CORNER_PX, CORNER_PX + crops.shape[1])
        picture[inside, inside] = crops[number]
        light = np.ones((SIDE_PX, 1, 1))
        light[CORNER_PX + 70 :] += 0.5 * smiles
        light[: CORNER_PX + 45] -= 0.4 * frowns
        lit = np.clip(picture * light, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"f{number}.png"), lit[:, :, ::-1])
        codes = {f"{au}{coder}": code for au, code in (("AU4", frowns), ("AU12", smiles)) for coder in coders}
        source = "muxspace/x" if number % 3 == 0 else "elsewhere"
        rows.append(
            {"file": f"f{number}.png", "source": source, "original": f"Person{number}_0001.jpg", **codes}
        )
    with (folder / "coded.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "coded.csv"
