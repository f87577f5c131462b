"""Run the recipes of the paper's Table 1 on rendered faces with a small network.

`python scripts/ablation.py RIG OUT`: RIG is an ICT-FaceKit clone or pack. Renders two sets of people (the second is
the data that row 12 adds) into OUT, trains a face identity start on the first, then the recipes of all rows with
each seed, one thread a process, and prints a table. Results that OUT already holds are reused.
A small network on rendered faces says nothing about the paper's figures on Aff-Wild2.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from autrt_train.read_recipe import read_recipe, recipe_names

NETWORK = "depth=18, width=0.125"
NECK = "ssh_channels=8, level_features=64"
PER_PERSON = 5
ROWS = [name.removeprefix("ablation/") for name in recipe_names() if name.startswith("ablation/")]
COMMON = (
    "optimiser.lr=0.03", "optimiser.schedule=one-cycle", "optimiser.clip_norm=2.0",
    "fit.validate_every=100", "data.image_rate=none", "augment.hue=0.025", "augment.shift_px=1.5",
    "augment.scale=0.03", "augment.rotation_deg=2.0", "data.validation_most=3000",
    "loader.threads=1", "loader.cache_gb=1", "model.licence=Apache-2.0",
)  # fmt: skip


def autrt(*arguments: str, log: Path) -> None:
    """Run `autrt` on one thread; its output goes to `log`."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "autrt", *arguments]
        done = subprocess.run(command, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}; see {log}")


def train(recipe: str, out: Path, seed: int, changes: list[str]) -> Path:
    """Train unless the run is finished; return the run's folder."""
    if not (out / "done").is_file():
        out.mkdir(parents=True, exist_ok=True)
        settings = [word for change in (*COMMON, f"seed={seed}", *changes) for word in ("--set", change)]
        autrt("train", recipe, *settings, "--out", str(out), "--progress", "plain", log=out / "output.txt")
        (out / "done").touch()
    return out


def sources(*roots: Path, split: str, task: str = "") -> str:
    """Return a list of rendered sets for `--set`."""
    options = f', options={{task="{task}"}}' if task else ""
    return ", ".join(f'{{kind="rendered", root="{root}", split="{split}"{options}}}' for root in roots)


def last_validation(run: Path) -> tuple[float, float]:
    """Return AUC and F1 at calibrated thresholds of the run's last validation, means over the AUs."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    facts = [line for line in lines if line["event"] == "look"][-1]
    metrics = json.loads((run / "model" / "model.json").read_text())["metrics"]
    f1 = [m["value"] for m in metrics if m["name"] == "f1_binary"][-1]
    return float(facts["auc"]), float(f1)


def main() -> None:
    """Render, train, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rig", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=1500, help="of each of the two sets")
    parser.add_argument("--validation", type=float, default=0.1, help="share of the people that judge")
    parser.add_argument("--rows", nargs="+", default=ROWS, help="such as 03-balancing; default: all")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="seeds trained at a time")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--shrink-batches", type=int, default=1, help="divisor of the recipes' batches")
    parser.add_argument("--precision", default="bf16", help="bf16 is fast where the processor has it")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    base, more = given.out / "base", given.out / "more"
    for root, seed in ((base, 101), (more, 102)):
        if not (root / "synth.json").is_file():
            arguments = [f"--rig={given.rig}", f"--people={given.people}", f"--per-person={PER_PERSON}",
                         f"--validation={given.validation}", f"--workers={given.processes}"]  # fmt: skip
            autrt("synth", str(root), *arguments, f"--seed={seed}", log=given.out / f"{root.name}.txt")
    length = [f"fit.epochs={given.epochs}", f"fit.precision={given.precision}"]
    batch = 96 // given.shrink_batches
    start = train(
        "pretrain-id", given.out / "identity", 0,
        [*length, f"fit.batch={batch}", f"network.change={{{NETWORK}}}", "data.validation_share=0.02",
         f"data.train=[{sources(base, split='train', task='identity')}]"],
    )  # fmt: skip
    best = start / json.loads((start / "best.json").read_text())["overall"]["weights"]
    os.environ |= {"AUTRT_GLINT360K": str(best), "AUTRT_AFFWILD2": "unused", "AUTRT_MORE_AU_DATA": "unused"}
    print(f"| row | AUC, mean of {given.seeds} seeds | from … to | F1, calibrated | from … to |")
    print("|---|---|---|---|---|")
    for row in given.rows:
        roots = (base, more) if row == "12-data" else (base,)
        batch = read_recipe(f"ablation/{row}").fit.batch // given.shrink_batches
        changes = [
            *length,
            f"fit.batch={batch}",
            f"network.change={{{NETWORK}, {NECK}}}",
            f"data.train=[{sources(*roots, split='train')}]",
            f"data.validation=[{sources(base, split='validation')}]",
        ]
        seeds = range(1, given.seeds + 1)
        with ThreadPoolExecutor(given.processes) as pool:
            places = [given.out / row / str(seed) for seed in seeds]
            runs = list(pool.map(lambda s, out: train(f"ablation/{row}", out, s, changes), seeds, places))  # noqa: B023
        found = np.array([last_validation(run) for run in runs])
        cells = [f"{c.mean():.3f} | {c.min():.3f} … {c.max():.3f}" for c in found.T]
        print(f"| {row} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
