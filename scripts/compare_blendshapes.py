"""Do predictions rise and fall with another network's blendshapes?

`python scripts/compare_blendshapes.py RESULTS CSVS`: RESULTS is a folder of results files, CSVS a folder with one
`*NAME.csv` for `NAME.mp4.h5`: columns frame (from 0), success, and the 52 ARKit blendshapes, as MediaPipe's Face
Landmarker gives them. For each clip and AU where the blendshape moves (the mean of its top 20 % of frames is above
that of its bottom 20 % by 0.15), the table has the AUC of the smoothed probability between those frames. A second
table counts the active AUs in the frames with the least smile, and how much of the time each AU is active at all.
Blendshapes are no ground truth: they are another network's opinion.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

import autrt

BLENDSHAPES: dict[str, tuple[tuple[str, float], ...]] = {
    "AU1": (("browInnerUp", 1),),
    "AU2": (("browOuterUpLeft", 0.5), ("browOuterUpRight", 0.5)),
    "AU4": (("browDownLeft", 0.5), ("browDownRight", 0.5)),
    "AU7": (("eyeSquintLeft", 0.5), ("eyeSquintRight", 0.5)),
    "AU10": (("mouthUpperUpLeft", 0.5), ("mouthUpperUpRight", 0.5)),
    "AU12": (("mouthSmileLeft", 0.5), ("mouthSmileRight", 0.5)),
    "AU25": (
        ("mouthLowerDownLeft", 0.5), ("mouthLowerDownRight", 0.5), ("mouthUpperUpLeft", 0.5),
        ("mouthUpperUpRight", 0.5), ("jawOpen", 1),
    ),
    "AU26": (("jawOpen", 1),),
}  # fmt: skip
SHARE = 0.2
MOVES = 0.15


def read_blendshapes(path: Path) -> dict[str, np.ndarray]:
    """Name → (N,) by frame; NaN where no face was seen."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("frame", "success")]
    return {
        n: np.array([float(r[n]) if r["success"] == "1" and r[n] else np.nan for r in rows]) for n in names
    }


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a number of `high` is above one of `low`, ties counted half."""
    return float((high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean())


def at_rest(results: Path, shapes: dict[str, np.ndarray]) -> str:
    """How many AUs are active in the 20 % of frames that smile least, and each AU's share of all frames."""
    with autrt.open_results(results) as r:
        first = r.faces["track"] == r.faces["track"][:].min()
        frame, active = r.faces["frame"][first], r.faces["active"][first]
        names = r.au_names
    smile = (shapes["mouthSmileLeft"] + shapes["mouthSmileRight"])[
        np.minimum(frame, len(shapes["jawOpen"]) - 1)
    ]
    count = active[smile <= np.nanquantile(smile, SHARE)].sum(1)
    shares = " ".join(f"{name[2:]}:{share:.0%}" for name, share in zip(names, active.mean(0), strict=True))
    return f"{count.mean():.2f} on average, {np.quantile(count, 0.95):.0f} in 95 %, at most {count.max()}; {shares}"


def judge(results: Path, shapes: dict[str, np.ndarray]) -> dict[str, float]:
    """AU → AUC for one clip; AUs whose blendshape does not move are left out."""
    with autrt.open_results(results) as r:
        first = r.faces["track"] == r.faces["track"][:].min()
        frame, smoothed = r.faces["frame"][first], r.faces["smoothed"][first]
        names = r.au_names
    out: dict[str, float] = {}
    for au, parts in BLENDSHAPES.items():
        if au not in names:
            continue
        truth = sum(weight * shapes[name] for name, weight in parts)
        truth = np.asarray(truth)[np.minimum(frame, len(shapes[parts[0][0]]) - 1)]
        known = np.isfinite(truth)
        truth, told = truth[known], smoothed[known, names.index(au)]
        low, high = np.quantile(truth, [SHARE, 1 - SHARE])
        below, above = truth <= low, truth >= high
        if truth[above].mean() - truth[below].mean() >= MOVES:
            out[au] = auc(told[above], told[below])
    return out


def main(results: Path, tables: Path) -> None:
    """Print a line per clip and the mean over clips."""
    found: dict[str, dict[str, float]] = {}
    rest: dict[str, str] = {}
    for path in sorted(results.rglob("*.mp4.h5")):
        name = path.name.removesuffix(".mp4.h5")
        table = next(iter(sorted(tables.glob(f"*{name}.csv"))), None)
        if table is not None:
            shapes = read_blendshapes(table)
            found[name], rest[name] = judge(path, shapes), at_rest(path, shapes)
    width = max(map(len, found), default=4) + 2
    print(f"{'clip':{width}}" + "".join(f"{au:>7}" for au in BLENDSHAPES))
    for name, row in found.items():
        print(
            f"{name:{width}}" + "".join(f"{row[au]:7.3f}" if au in row else f"{'–':>7}" for au in BLENDSHAPES)
        )
    means = {au: [row[au] for row in found.values() if au in row] for au in BLENDSHAPES}
    print(f"{'mean':{width}}" + "".join(f"{np.mean(v):7.3f}" if v else f"{'–':>7}" for v in means.values()))
    print("\nactive AUs in the frames that smile least; share of frames in which each AU is active")
    for name, line in rest.items():
        print(f"{name:{width}}{line}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
