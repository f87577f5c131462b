"""Average several students' weights into one model: `python scripts/average.py OUT [--mirror] MODEL MODEL …`.

For students that were trained from the same start, so that the mean of their weights is a usable network.
Thresholds are averaged too; smoothing windows and licence are those of the first. With --mirror the network
averages its outputs for a crop and its mirror image. Reference crops are those of the first, or with --crops
ROOT 64 of a rendered data set: int8 calibrates its ranges on them, so they should be as varied as the pictures
that the model will see. Metrics are left out: evaluate the result (`autrt eval`).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np
import torch

from autrt.engine.parity import read_reference
from autrt.model.export import save_model
from autrt.model.folder import load_model
from autrt.model.load import load_network
from autrt.model.student import Student
from autrt.types import CROP_SIZE_PX, U8
from autrt_train.annotations.read import DataSpec, read_data

REFERENCE_CROPS: Final = 64


def average(out: Path, models: list[str], *, mirror: bool, crops_of: Path | None) -> None:
    """Write the mean of some students' model folders."""
    opened = [load_model(model) for model in models]
    members = [model.members[0] for model in opened]
    networks = [load_network(member) for member in members]
    first = networks[0]
    assert isinstance(first, Student), "students alone: others are seldom trained from one start"
    states = [network.state_dict() for network in networks]
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        for name, value in states[0].items()
    }
    network = Student(replace(first.config, mirror=mirror))
    network.load_state_dict(mean)
    crops = read_reference(members[0])[0] if crops_of is None else spread(crops_of)
    save_model(
        out,
        network.eval(),
        crops=crops,
        licence=opened[0].licence,
        thresholds=np.mean([m.thresholds for m in members], axis=0).round(4).tolist(),
        smoothing_windows=opened[0].smoothing_windows.tolist(),
        training={"summary": "The mean of the weights of other models.", "models": models},
    )


def spread(root: Path) -> U8:
    """Return crops from all over a rendered data set: uint8 (64, 112, 112, 3) RGB."""
    index, _ = read_data(DataSpec(kind="rendered", root=root))
    inner = slice(index.margin_px, index.margin_px + CROP_SIZE_PX)
    rows = np.linspace(0, len(index) - 1, REFERENCE_CROPS).astype(int)
    pictures = [cv2.imread(str(index.path(row))) for row in rows.tolist()]
    return np.stack([cast("U8", picture)[inner, inner, ::-1] for picture in pictures])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--crops", metavar="ROOT", type=Path)
    given = parser.parse_args()
    average(given.out, given.models, mirror=given.mirror, crops_of=given.crops)
