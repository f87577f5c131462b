"""One process of two: three steps of every packaged recipe, on small networks and made-up data.

`python -m tests.support.rank_recipes FOLDER [cpu|cuda]` under torchrun; says `done RECIPE` after each.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np

from autrt_train.fit.loop import TrainingLoop
from autrt_train.fit.process_group import ProcessGroup, join_process_group
from autrt_train.read_recipe import read_recipe, recipe_names
from autrt_train.recipe import Recipe
from autrt_train.stop_request import StopRequest
from autrt_train.train import _open
from autrt_train.training_network import build_training_network
from tests.support.pictures import write_classes

PLACES = (
    *("RIG", "AFFWILD2", "GLINT360K", "FACES", "EXPRESSIONS", "AU15", "MORE_AU_DATA"),
    *("ID_START", "EXPR_START", "AU15_START"),
)
SMALL = {
    "student-16": "network.change={width=4}",
    "vit-small-14": "network.change={width=32,depth=2,heads=2}",
    "other": "network.change={depth=18,width=0.125,ssh_channels=8,level_features=32}",
}


def write_data(folder: Path) -> None:
    """Pictures of three people, and random labels of every AU that a recipe learns."""
    classes = write_classes(folder / "classes")
    names = sorted({au for name in recipe_names() for au in read_recipe(name).au_names})
    rng = np.random.default_rng(0)
    lines = [f"path,person,{','.join(names)}"]
    for picture in sorted(classes.rglob("*.png")):
        labels = ",".join(map(str, rng.integers(2, size=len(names)).tolist()))
        lines.append(f"{picture.relative_to(classes)},{picture.parent.name},{labels}")
    (classes / "labels.csv").write_text("\n".join(lines) + "\n")


def changes(name: str, folder: Path) -> list[str]:
    """What makes a recipe small."""
    recipe = read_recipe(name)
    kind = {"au": "manifest", "identity": "identity", "expression": "expression"}[recipe.task]
    root = folder / ("classes/labels.csv" if kind == "manifest" else "classes")
    out = [
        SMALL.get(recipe.network.preset, SMALL["other"]),
        f'data.train=[{{kind="{kind}",root="{root}"}}]',
        "data.validation=[]",
        "data.image_rate=none",
        "data.render=none",
        "start.checkpoint=none",
        "fit.batch=32",
        "fit.steps=3",
        "fit.precision=f32",
    ]
    if recipe.distill is not None:
        out += ["distill.teacher=student", "model.reference=noise"]
    return out


def three_steps(recipe: Recipe, folder: Path, group: ProcessGroup) -> None:
    """Train, judge and save as a run does, up to the finished model."""
    with closing(_open(recipe, group, StopRequest(), "none", lambda _: None)) as data:
        training_network = build_training_network(recipe, data.train.class_names)
        if data.teacher_targets is not None and data.teacher_targets.features is not None:
            training_network.project_to(len(data.teacher_targets.features.mean))
        assert TrainingLoop(recipe, data, training_network, folder, group, threading.Event()).run(None)


def main() -> None:
    folder = Path(sys.argv[1])
    os.environ.update({f"AUTRT_{place}": str(folder) for place in PLACES})  # named by recipes, replaced here
    with join_process_group(sys.argv[2] if len(sys.argv) > 2 else "cpu") as group:
        with group.leader_first():
            if not (folder / "classes").exists():
                write_data(folder)
        for name in recipe_names():
            three_steps(read_recipe(name, changes(name, folder)), folder / "runs" / name, group)
            if group.is_leader:
                print(f"done {name}", flush=True)


if __name__ == "__main__":
    main()
