"""How two runs over the same videos differ: `python scripts/compare.py OUT_A OUT_B`.

Rows are matched by frame and box. Per AU: the share of changed decisions, and the correlation of the smoothed
probabilities; over all: the landmarks' distance in eye distances. For judging a speed-up against
`--detect-every 1`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autrt
from autrt.face.detect import iou_matrix

MATCH_IOU = 0.3


def matched(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> np.ndarray:
    """(n, 2) int64: rows of `a` and `b` that show the same face in the same frame."""
    pairs: list[tuple[int, int]] = []
    for frame in np.intersect1d(a["frame"], b["frame"]):
        i, j = (np.nonzero(rows["frame"] == frame)[0] for rows in (a, b))
        overlap = iou_matrix(a["box"][i], b["box"][j])
        best = overlap.argmax(1)
        pairs += [(i[k], j[best[k]]) for k in range(len(i)) if overlap[k, best[k]] >= MATCH_IOU]
    return np.array(pairs, np.int64).reshape(-1, 2)


def columns(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The face columns that are compared."""
    with autrt.open_results(path) as results:
        names = ("frame", "box", "landmarks", "active", "smoothed")
        return {name: results.faces[name] for name in names}, results.au_names


def main(folder_a: Path, folder_b: Path) -> None:
    """Print the table over all files that both folders hold."""
    parts: list[tuple[np.ndarray, ...]] = []
    au_names: tuple[str, ...] = ()
    only = [0, 0]
    for path in sorted(folder_a.rglob("*.h5")):
        a, au_names = columns(path)
        b, _ = columns(folder_b / path.relative_to(folder_a))
        pairs = matched(a, b)
        i, j = pairs.T
        only[0] += len(a["frame"]) - len(i)
        only[1] += len(b["frame"]) - len(i)
        eyes = np.linalg.norm(a["landmarks"][i, 1] - a["landmarks"][i, 0], axis=1)
        shift = np.linalg.norm(a["landmarks"][i] - b["landmarks"][j], axis=2).mean(1) / np.maximum(eyes, 1)
        parts.append((a["smoothed"][i], b["smoothed"][j], a["active"][i] != b["active"][j], shift))
    smoothed_a, smoothed_b, changed, shift = (np.concatenate(column) for column in zip(*parts, strict=True))
    print(f"{len(shift)} faces in both, {only[0]} only in {folder_a}, {only[1]} only in {folder_b}")
    print(
        f"landmarks differ by {shift.mean():.3f} eye distances on average, {np.percentile(shift, 99):.3f} at p99"
    )
    print(f"{'AU':6}{'changed decisions':>18}{'correlation':>13}")
    for k, name in enumerate(au_names):
        r = np.corrcoef(smoothed_a[:, k], smoothed_b[:, k])[0, 1]
        print(f"{name:6}{changed[:, k].mean():18.2%}{r:13.4f}")
    print(f"{'all':6}{changed.mean():18.2%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
