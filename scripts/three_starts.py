"""Train the paper's three starts, three members and their ensemble at a small scale, and distil a student.

`python scripts/three_starts.py RIG OUT`: RIG is an ICT-FaceKit clone or pack. Renders people into OUT, trains one
reduced IResNet with coordinate attention, FPN and SSH on their identities, from there on their expressions and on
the starts' 15 AUs (less AU11, which the rig has no shape for), and from each of the three on the 12 AUs; makes an
ensemble of the checkpoints, and teaches a student of 0.1 GFLOP by it, and one without it. Whatever OUT already
holds is reused. Then evaluate (`autrt eval`).
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ablation import NECK, NETWORK, PER_PERSON, autrt, sources, train

from autrt_train.read_recipe import read_recipe

STARTS = ("id", "expr", "au15")


def best(run: Path) -> str:
    """Return the weights of a run's best validation."""
    return str(run / json.loads((run / "best.json").read_text())["overall"]["weights"])


def rendered(root: Path) -> list[str]:
    """Return settings that train and validate on one rendered set."""
    return [
        f"data.train=[{sources(root, split='train')}]",
        f"data.validation=[{sources(root, split='validation')}]",
    ]


def reduced(faces: Path, epochs: str) -> list[str]:
    """Return settings of the reduced network on the rendered set."""
    network = ["network.preset=paper", f"network.change={{{NETWORK}, {NECK}}}"]
    return [epochs, "fit.batch=64", *network, *rendered(faces)]


def starts(out: Path, faces: Path, epochs: str) -> None:
    """Train identity, then expression and AU-15 from it; set their weights in the environment."""
    os.environ |= dict.fromkeys(("AUTRT_AFFWILD2", "AUTRT_EXPRESSIONS", "AUTRT_AU15"), "unused")
    identity = train(
        "pretrain-id", out / "pretrain-id", 0,
        [epochs, "fit.batch=96", f"network.change={{{NETWORK}}}", "data.validation_share=0.02",
         f"data.train=[{sources(faces, split='train', task='identity')}]"],
    )  # fmt: skip
    os.environ |= {"AUTRT_GLINT360K": best(identity), "AUTRT_ID_START": best(identity)}
    known = [name for name in read_recipe("pretrain-au15").au_names if name != "AU11"]
    changes = {"pretrain-expr": [], "pretrain-au15": [f"au_names={json.dumps(known)}"]}
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda n: train(n, out / n, 0, [*reduced(faces, epochs), *changes[n]]), changes)
        os.environ |= dict(zip(("AUTRT_EXPR_START", "AUTRT_AU15_START"), map(best, runs), strict=True))


def members(out: Path, faces: Path, epochs: str) -> list[Path]:
    """Fine-tune from each start."""
    changes = reduced(faces, epochs)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda s: train(f"finetune-{s}", out / f"finetune-{s}", 1, changes), STARTS))


def main() -> None:
    """Render, train, ensemble and distil."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rig", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=4000)
    parser.add_argument("--start-epochs", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2, help="of the members and the students")
    given = parser.parse_args()
    out, faces, epochs = given.out, given.out / "faces", f"fit.epochs={given.epochs}"
    out.mkdir(parents=True, exist_ok=True)
    if not (faces / "synth.json").is_file():
        people = [
            f"--rig={given.rig}",
            f"--people={given.people}",
            f"--per-person={PER_PERSON}",
            "--seed=111",
        ]
        autrt("synth", str(faces), *people, log=out / "faces.txt")
    starts(out, faces, f"fit.epochs={given.start_epochs}")
    runs = members(out, faces, epochs)
    ensemble = out / "ensemble"
    if not ensemble.is_dir():
        autrt("ensemble", *map(str, runs), "--out", str(ensemble), log=out / "ensemble.txt")
    for name, task, soft in (("taught", 0.5, 1), ("alone", 1, 0)):
        if not (out / name / "model").is_dir():
            settings = [
                *rendered(faces),
                "data.render=none",
                "network.change={mirror=false}",
                "seed=1",
                epochs,
            ]
            settings += [f"distill.task={task}", f"distill.soft={soft}", f"distill.features={soft / 10}"]
            words = [word for change in settings for word in ("--set", change)]
            common = ["--teacher", str(ensemble), "--out", str(out / name), "--progress", "plain"]
            autrt("distill", *common, *words, log=out / f"{name}.txt")
    print(f"autrt eval {out}/ensemble {out}/taught/model --labels rendered=HELD_OUT")


if __name__ == "__main__":
    main()
