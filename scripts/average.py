"""The mean of several students' weights as one model: `python scripts/average.py OUT [--mirror] MODEL MODEL …`.

For students that were trained from one start, which so lie near enough for their mean to be a network. Thresholds
are their mean too, smoothing windows and licence the first one's. With --mirror the network averages what it tells
of a crop and of its mirror image. Metrics are left out: judge the result (`autrt eval`).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from autrt.engine.parity import read_reference
from autrt.model.export import save_model
from autrt.model.folder import load_model
from autrt.model.load import load_network
from autrt.model.student import Student


def average(out: Path, models: list[str], *, mirror: bool) -> None:
    """Write the mean of some students' model folders."""
    opened = [load_model(model) for model in models]
    members = [model.members[0] for model in opened]
    networks = [load_network(member) for member in members]
    first = networks[0]
    assert isinstance(first, Student), "students alone: others are seldom trained from one start"
    states = [network.state_dict() for network in networks]
    mean = {
        name: (sum(state[name].double() for state in states) / len(states)).to(value.dtype)
        for name, value in states[0].items()
    }
    network = Student(replace(first.config, mirror=mirror))
    network.load_state_dict(mean)
    crops, _ = read_reference(members[0])
    save_model(
        out,
        network.eval(),
        crops=crops,
        licence=opened[0].licence,
        thresholds=np.mean([m.thresholds for m in members], axis=0).round(4).tolist(),
        smoothing_windows=opened[0].smoothing_windows.tolist(),
        training={"summary": "The mean of the weights of other models.", "models": models},
    )


if __name__ == "__main__":
    arguments = [word for word in sys.argv[1:] if word != "--mirror"]
    average(Path(arguments[0]), arguments[1:], mirror="--mirror" in sys.argv)
