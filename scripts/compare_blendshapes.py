"""Compare predictions with another network's blendshapes.

`python scripts/compare_blendshapes.py RESULTS CSVS`: RESULTS is a folder of results files, CSVS a folder with one
`*NAME.csv` for `NAME.mp4.h5`: columns frame (from 0), success, and the 52 ARKit blendshapes, as MediaPipe's Face
Landmarker gives them. For each clip and AU where the blendshape moves (the mean of its top 20 % of frames is above
that of its bottom 20 % by 0.15), the table has the AUC of the smoothed probability between those frames. Its last
line takes the frames of all clips as one (as many of each): a model must not mistake a face for a movement there.
A second table counts the active AUs in the frames with the least smile, and how much of the time each AU is active.
Blendshapes are no ground truth: they are another network's opinion.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection
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
    """Read name → (N,) values by frame; NaN where no face was seen."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("frame", "success")]
    return {
        n: np.array([float(r[n]) if r["success"] == "1" and r[n] else np.nan for r in rows]) for n in names
    }


class MainTrack:
    """Results of the first track of a clip."""

    def __init__(self, results: Path) -> None:
        with autrt.open_results(results) as r:
            first = r.faces["track"] == r.faces["track"][:].min()
            self.frame, self.smoothed, self.active = (
                r.faces[name][first] for name in ("frame", "smoothed", "active")
            )
            self.au_names = r.au_names

    def at_track(self, shape: np.ndarray) -> np.ndarray:
        """Select the track's frames of a blendshape."""
        return shape[np.minimum(self.frame, len(shape) - 1)]


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Return the probability that a number of `high` is above one of `low`, ties counted half."""
    return float((high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean())


def at_rest(face: MainTrack, shapes: dict[str, np.ndarray]) -> str:
    """Return active AUs in the 20 % of frames that smile least, and each AU's share of all frames, as text."""
    smile = face.at_track(shapes["mouthSmileLeft"] + shapes["mouthSmileRight"])
    count = face.active[smile <= np.nanquantile(smile, SHARE)].sum(1)
    shares = " ".join(
        f"{name[2:]}:{share:.0%}" for name, share in zip(face.au_names, face.active.mean(0), strict=True)
    )
    return f"{count.mean():.2f} on average, {np.quantile(count, 0.95):.0f} in 95 %, at most {count.max()}; {shares}"


AuSeries = tuple[np.ndarray, np.ndarray]
"""(N,) blendshape of an AU and (N,) results of the AU, by frame."""


def au_series(face: MainTrack, shapes: dict[str, np.ndarray]) -> dict[str, AuSeries]:
    """Return AU → blendshape and results, where there are both."""
    out: dict[str, AuSeries] = {}
    for au, parts in BLENDSHAPES.items():
        if au in face.au_names:
            shape_values = face.at_track(np.asarray(sum(weight * shapes[name] for name, weight in parts)))
            known = np.isfinite(shape_values)
            out[au] = shape_values[known], face.smoothed[known, face.au_names.index(au)]
    return out


def auc_by_au(series: dict[str, AuSeries]) -> dict[str, float]:
    """Return AU → AUC; AUs whose blendshape does not move are left out."""
    out: dict[str, float] = {}
    for au, (shape_values, result_values) in series.items():
        low, high = np.quantile(shape_values, [SHARE, 1 - SHARE])
        below, above = shape_values <= low, shape_values >= high
        if shape_values[above].mean() - shape_values[below].mean() >= MOVES:
            out[au] = auc(result_values[above], result_values[below])
    return out


def pool(clips: Collection[dict[str, AuSeries]]) -> dict[str, AuSeries]:
    """Pool several clips: evenly spaced frames of each, as many as the shortest has."""
    out: dict[str, AuSeries] = {}
    for au in BLENDSHAPES:
        parts = [clip[au] for clip in clips if au in clip]
        if parts:
            n = min(len(shape_values) for shape_values, _ in parts)
            rows = [np.linspace(0, len(shape_values) - 1, n).astype(int) for shape_values, _ in parts]
            shape_values, result_values = (
                np.concatenate([p[i][r] for p, r in zip(parts, rows, strict=True)]) for i in (0, 1)
            )
            out[au] = shape_values, result_values
    return out


def main(results: Path, tables: Path) -> None:
    """Print a line per clip and the mean over clips."""
    series: dict[str, dict[str, AuSeries]] = {}
    rest: dict[str, str] = {}
    for path in sorted(results.rglob("*.mp4.h5")):
        name = path.name.removesuffix(".mp4.h5")
        table = next(iter(sorted(tables.glob(f"*{name}.csv"))), None)
        if table is not None:
            face, shapes = MainTrack(path), read_blendshapes(table)
            series[name], rest[name] = au_series(face, shapes), at_rest(face, shapes)
    found = {name: auc_by_au(clip) for name, clip in series.items()}
    width = max(map(len, [*found, "pooled"])) + 2
    print(f"{'clip':{width}}" + "".join(f"{au:>7}" for au in BLENDSHAPES))
    means = {au: [row[au] for row in found.values() if au in row] for au in BLENDSHAPES}
    found["mean"] = {au: float(np.mean(values)) for au, values in means.items() if values}
    found["pooled"] = auc_by_au(pool(list(series.values())))
    for name, row in found.items():
        print(
            f"{name:{width}}" + "".join(f"{row[au]:7.3f}" if au in row else f"{'–':>7}" for au in BLENDSHAPES)
        )
    print("\nactive AUs in the frames that smile least; share of frames in which each AU is active")
    for name, line in rest.items():
        print(f"{name:{width}}{line}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
